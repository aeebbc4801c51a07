package doctor

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/oauthex"
)

// protocolVersion is one that old and new servers support.
const protocolVersion = "2025-06-18"

// initialize is the first message of a client (MCP 2025-06-18, lifecycle).
const initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"` + protocolVersion +
	`","capabilities":{},"clientInfo":{"name":"` + clientName + `","version":"1"}}}`

// call calls the MCP server, with the token if it is not empty.
func (d *doctor) call(ctx context.Context, token string) (*answer, error) {
	header := http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}, "Origin": {elsewhere}}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	return d.send(ctx, http.MethodPost, d.URL, header, []byte(initialize))
}

// target checks whether the URL is an MCP server or an issuer.
func (d *doctor) target(ctx context.Context) {
	f := d.check(targetHTTPS)
	if !isProtected(d.url) {
		f.fail([]string{goSDK}, "%s is plain http to another machine: tokens can be read on the network", quote(d.URL))
	}
	f.end("%s", map[bool]string{true: "https", false: "this machine"}[d.url.Scheme == "https"])

	f = d.check(targetAnswers)
	a, err := d.call(ctx, "")
	switch {
	case err != nil:
		f.fail(nil, "%s", err)
		f.end("")
		for _, s := range []stage{stageTarget, stageChallenge, stageResource, stageServer, stageRegister, stageAuthorize, stageToken} {
			d.skipRest(s, "the server does not answer")
		}
		return
	case a.location() != nil:
		f.fail(nil, "%d to %s; clients do not follow a redirect of a POST, so use that address", a.status, quote(withoutQuery(a.location())))
	case a.status >= 500:
		f.fail(nil, "%d", a.status)
	}
	f.end("%d", a.status)
	d.first = a

	f = d.check(targetKind)
	if a.status != http.StatusUnauthorized && !isMCP(a) {
		d.isIssuer = d.looksLikeIssuer(ctx)
		if !d.isIssuer && !d.hasResource(ctx) {
			f.fail(nil, "a call without a token is answered %d, and there is no metadata of a protected resource or an authorization server", a.status)
		}
	}
	if d.isIssuer {
		f.end("an issuer; the checks of an MCP server are skipped")
		d.skipRest(stageChallenge, "the URL is an issuer, not an MCP server")
		d.skipRest(stageResource, "the URL is an issuer, not an MCP server")
		return
	}
	f.end("an MCP server")
}

// isMCP reports whether the answer comes from an MCP server that requires no
// token.
func isMCP(a *answer) bool {
	if a.status != http.StatusOK {
		return false
	}
	if a.isType("text/event-stream") {
		return true
	}
	o, err := a.decode()
	return err == nil && o.has("jsonrpc")
}

func (d *doctor) looksLikeIssuer(ctx context.Context) bool {
	for _, p := range issuerPlaces(d.URL) {
		if a, err := d.get(ctx, p.address); err == nil && a.status == http.StatusOK {
			if o, err := a.decode(); err == nil && o.has("issuer") {
				// Some servers answer with the document of the root of the host
				// if a path has none of its own.
				return strings.TrimRight(o.text("issuer"), "/") == strings.TrimRight(d.URL, "/") || !d.hasResource(ctx)
			}
		}
	}
	return false
}

func (d *doctor) hasResource(ctx context.Context) bool {
	for _, place := range resourcePlaces(d.url) {
		if a, err := d.get(ctx, place); err == nil && a.status == http.StatusOK {
			if o, err := a.decode(); err == nil && o.has("authorization_servers") {
				return true
			}
		}
	}
	return false
}

// remapped is the name to which API Gateway's REST APIs change
// WWW-Authenticate.
const remapped = "X-Amzn-Remapped-Www-Authenticate"

// challenge checks the answer to a call without a token.
func (d *doctor) challenge(ctx context.Context) {
	if d.first == nil || d.isIssuer {
		return
	}
	a := d.first
	f := d.check(challengeStatus)
	switch {
	case a.status == http.StatusOK:
		f.fail(nil, "200: the server requires no token, so no client signs in")
	case a.status != http.StatusUnauthorized:
		f.fail(nil, "%d; clients sign in only after 401", a.status)
	}
	f.end("401")

	d.bearerChallenge(a)
	d.badToken(ctx)

	f = d.check(challengeCORS)
	if err := d.preflight(ctx, http.MethodPost, d.URL, "authorization", "content-type", "mcp-protocol-version"); err != nil {
		f.warn([]string{inspector}, "%s: a client in a browser cannot call the server directly", err)
	} else if !a.allowsOrigin() {
		f.warn([]string{inspector}, "the 401 itself has no Access-Control-Allow-Origin: a client in a browser does not see it")
	} else if exposed := a.list("Access-Control-Expose-Headers"); !exposed["www-authenticate"] && !exposed["*"] {
		f.warn([]string{inspector}, "Access-Control-Expose-Headers lacks WWW-Authenticate: a client in a browser cannot read the challenge and must guess")
	}
	f.end("other origins may call it and read the challenge")
}

// bearerChallenge reads WWW-Authenticate.
func (d *doctor) bearerChallenge(a *answer) {
	f := d.check(challengeHeader)
	challenges, err := oauthex.ParseWWWAuthenticate(a.header.Values("WWW-Authenticate"))
	for _, c := range challenges {
		if c.Scheme == "bearer" && d.header == nil {
			d.header = c.Params
			if d.header == nil {
				d.header = map[string]string{}
			}
		}
	}
	switch {
	case err != nil:
		f.fail(nil, "it cannot be parsed: %s", quote(err.Error()))
	case d.header != nil:
	case a.header.Get(remapped) != "":
		f.fail(nil, "API Gateway has renamed it to %s, which no client reads: a REST API does this with responses of a Lambda function; use an HTTP API, or publish the metadata at the well-known addresses",
			strings.ToLower(remapped))
	case len(challenges) > 0:
		f.fail(nil, "it has no Bearer challenge: %s", quote(strings.Join(a.header.Values("WWW-Authenticate"), ", ")))
	default:
		f.warn(nil, "there is no WWW-Authenticate; clients must guess where the metadata is (MCP up to 2025-06-18 requires it)")
	}
	f.end("Bearer")
	if d.header == nil {
		for _, def := range []*definition{challengeMetadata, challengeScope, challengeNoError} {
			d.skip(def, "there is no Bearer challenge")
		}
		return
	}

	f = d.check(challengeMetadata)
	metadata := d.header["resource_metadata"]
	if metadata == "" {
		f.warn(nil, "there is no resource_metadata; clients must guess where the metadata is (MCP up to 2025-06-18 requires it)")
	} else if u, err := webURL(metadata); err != nil {
		f.fail(nil, "%s", err)
	} else if !isProtected(u) {
		f.fail([]string{goSDK}, "%s is plain http to another machine", quote(metadata))
	}
	f.end("%s", quote(metadata))

	f = d.check(challengeScope)
	scopes := strings.Fields(d.header["scope"])
	if len(scopes) == 0 {
		f.warn(nil, "there is no scope; clients request all scopes of the metadata, or none")
	}
	if slices.Contains(scopes, "offline_access") {
		f.warn(nil, "offline_access is not a scope of a resource; refresh tokens concern only the client and the authorization server")
	}
	f.end("%s", quotes(scopes))

	f = d.check(challengeNoError)
	if code := d.header["error"]; code != "" {
		f.warn(nil, "error=%s, although no token was sent", quote(code))
	}
	f.end("no error code")
}

// badToken sends an invalid token.
func (d *doctor) badToken(ctx context.Context) {
	f := d.check(challengeBadToken)
	a, err := d.call(ctx, "dcrctl-doctor-sends-no-token")
	if err != nil {
		f.fail(nil, "%s", err)
		f.end("")
		return
	}
	code := ""
	// challengeHeader reports a header that cannot be parsed.
	if challenges, err := oauthex.ParseWWWAuthenticate(a.header.Values("WWW-Authenticate")); err == nil {
		for _, c := range challenges {
			if c.Scheme == "bearer" {
				code = c.Params["error"]
			}
		}
	}
	switch {
	case a.status >= 200 && a.status <= 299:
		f.fail(nil, "%d: the server accepts any token", a.status)
	case a.status != http.StatusUnauthorized:
		f.fail(nil, "%d; clients refresh their token only after 401", a.status)
	case code != "invalid_token":
		f.warn(nil, "401, but %s", map[bool]string{true: "without an error code", false: fmt.Sprintf("error=%s", quote(code))}[code == ""])
	}
	f.end("401, invalid_token")
}

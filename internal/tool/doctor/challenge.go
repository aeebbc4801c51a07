package doctor

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/oauthex"
)

// protocolVersion is the one that old and new servers know.
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

// target finds out what the URL is.
func (d *doctor) target(ctx context.Context) {
	f := d.check(targetHTTPS)
	if !isProtected(d.url) {
		f.fail([]string{goSDK}, "%s is plain http to another machine: who is on the way reads the tokens", quote(d.URL))
	}
	f.end("%s", map[bool]string{true: "https", false: "this machine"}[d.url.Scheme == "https"])

	f = d.check(targetAnswers)
	a, err := d.call(ctx, "")
	switch {
	case err != nil:
		f.fail(nil, "%s", err)
		f.end("")
		for _, s := range []stage{stageTarget, stageChallenge, stageResource, stageServer, stageRegister, stageAuthorize, stageToken} {
			d.because(s, "the server does not answer")
		}
		return
	case a.location() != nil:
		f.fail(nil, "%d to %s; clients do not repeat a POST elsewhere, so use that address", a.status, quote(withoutQuery(a.location())))
	case a.status >= 500:
		f.fail(nil, "%d", a.status)
	}
	f.end("%d", a.status)
	d.first = a

	f = d.check(targetKind)
	if a.status != http.StatusUnauthorized && !isMCP(a) {
		d.isIssuer = d.looksLikeIssuer(ctx)
		if !d.isIssuer && !d.hasResource(ctx) {
			f.fail(nil, "it answers a call without a token with %d, and there is no metadata of a protected resource or of an authorization server", a.status)
		}
	}
	if d.isIssuer {
		f.end("an issuer; what an MCP server has to do is not checked")
		d.because(stageChallenge, "the URL is that of an issuer and not of an MCP server")
		d.because(stageResource, "the URL is that of an issuer and not of an MCP server")
		return
	}
	f.end("an MCP server")
}

// isMCP reports whether the answer is one of an MCP server that asks for no
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
				// The root of the host answers for what has no document of its
				// own at some servers.
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

// remapped is what API Gateway's REST APIs make of WWW-Authenticate.
const remapped = "X-Amzn-Remapped-Www-Authenticate"

// challenge looks at the answer to a call without a token.
func (d *doctor) challenge(ctx context.Context) {
	if d.first == nil || d.isIssuer {
		return
	}
	a := d.first
	f := d.check(challengeStatus)
	switch {
	case a.status == http.StatusOK:
		f.fail(nil, "200: the server asks for no token, so no client signs in")
	case a.status != http.StatusUnauthorized:
		f.fail(nil, "%d; clients sign in at 401", a.status)
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
		f.warn([]string{inspector}, "Access-Control-Expose-Headers lacks WWW-Authenticate: a client in a browser cannot read the challenge and has to guess")
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
		f.fail(nil, "API Gateway has renamed it %s, which no client reads: a REST API does so with what comes from a Lambda function; use an HTTP API, or the metadata has to be at the well-known places",
			strings.ToLower(remapped))
	case len(challenges) > 0:
		f.fail(nil, "no Bearer challenge among them: %s", quote(strings.Join(a.header.Values("WWW-Authenticate"), ", ")))
	default:
		f.warn(nil, "there is no WWW-Authenticate; clients have to guess where the metadata is (MCP until 2025-06-18 requires it)")
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
		f.warn(nil, "there is no resource_metadata; clients have to guess where the metadata is (MCP until 2025-06-18 requires it)")
	} else if u, err := webURL(metadata); err != nil {
		f.fail(nil, "%s", err)
	} else if !isProtected(u) {
		f.fail([]string{goSDK}, "%s is plain http to another machine", quote(metadata))
	}
	f.end("%s", quote(metadata))

	f = d.check(challengeScope)
	scopes := strings.Fields(d.header["scope"])
	if len(scopes) == 0 {
		f.warn(nil, "there is no scope; clients ask for all that the metadata lists, or for none")
	}
	if slices.Contains(scopes, "offline_access") {
		f.warn(nil, "offline_access is no scope of a resource; refresh tokens are between client and authorization server")
	}
	f.end("%s", quotes(scopes))

	f = d.check(challengeNoError)
	if code := d.header["error"]; code != "" {
		f.warn(nil, "error=%s, though the client may not have known that a token is needed", quote(code))
	}
	f.end("no error code")
}

// badToken sends a token that nobody has issued.
func (d *doctor) badToken(ctx context.Context) {
	f := d.check(challengeBadToken)
	a, err := d.call(ctx, "dcrctl-doctor-sends-no-token")
	if err != nil {
		f.fail(nil, "%s", err)
		f.end("")
		return
	}
	code := ""
	// What cannot be parsed is told above.
	if challenges, err := oauthex.ParseWWWAuthenticate(a.header.Values("WWW-Authenticate")); err == nil {
		for _, c := range challenges {
			if c.Scheme == "bearer" {
				code = c.Params["error"]
			}
		}
	}
	switch {
	case a.status >= 200 && a.status <= 299:
		f.fail(nil, "%d: the server takes any token", a.status)
	case a.status != http.StatusUnauthorized:
		f.fail(nil, "%d; clients renew their token at 401", a.status)
	case code != "invalid_token":
		f.warn(nil, "401, but %s", map[bool]string{true: "without an error code", false: fmt.Sprintf("error=%s", quote(code))}[code == ""])
	}
	f.end("401, invalid_token")
}

package doctor

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// request is an authorization request and its PKCE verifier.
type request struct {
	params   url.Values
	verifier string
}

// request builds a request as clients do (RFC 6749 §4.1.1, RFC 7636 §4.3, RFC
// 8707 §2.1).
func (d *doctor) request(redirectURI string) *request {
	r := &request{verifier: rand.Text() + rand.Text(), params: url.Values{
		"response_type": {"code"}, "client_id": {d.client.id}, "redirect_uri": {redirectURI}, "state": {rand.Text()},
		"code_challenge_method": {"S256"},
	}}
	d.withhold(r.verifier)
	sum := sha256.Sum256([]byte(r.verifier))
	r.params.Set("code_challenge", base64.RawURLEncoding.EncodeToString(sum[:]))
	if len(d.scopes) > 0 {
		r.params.Set("scope", strings.Join(d.scopes, " "))
	}
	if !d.isIssuer {
		r.params.Set("resource", d.URL)
	}
	return r
}

// address returns the endpoint with the parameters of the request added.
func (r *request) address(endpoint string) (string, error) {
	u, err := webURL(endpoint)
	if err != nil {
		return "", err
	}
	q := u.Query()
	for name, v := range r.params {
		q[name] = v
	}
	u.RawQuery, u.Fragment = q.Encode(), ""
	return u.String(), nil
}

// reply is the answer of the authorization endpoint, before any user acts.
type reply struct {
	status int
	// toClient has the parameters of a redirect to the request's redirect URI;
	// nil for any other answer.
	toClient url.Values
	// to is the address of any other redirect, without the query; "" for a page.
	to string
	// failed is the error parameter of a redirect.
	failed string
}

// authorize sends the request.
func (d *doctor) authorize(ctx context.Context, r *request) (*reply, error) {
	endpoint, err := d.endpoint("authorization_endpoint")
	if err != nil {
		return nil, err
	}
	address, err := r.address(endpoint)
	if err != nil {
		return nil, err
	}
	a, err := d.send(ctx, http.MethodGet, address, http.Header{"Accept": {"text/html"}}, nil)
	if err != nil {
		return nil, err
	}
	got := &reply{status: a.status}
	if to := a.location(); to != nil {
		got.to, got.failed = withoutQuery(to), to.Query().Get("error")
		if got.to == r.params.Get("redirect_uri") {
			got.toClient, got.to = to.Query(), ""
		}
	}
	return got, nil
}

// equals reports whether a client cannot distinguish the two replies.
func (r *reply) equals(other *reply) bool {
	return r.status == other.status && r.to == other.to && (r.toClient == nil) == (other.toClient == nil) && r.failed == other.failed
}

func (r *reply) String() string {
	switch {
	case r.toClient != nil && r.toClient.Get("error") != "":
		return fmt.Sprintf("%d to the redirect URI with the error %s %s", r.status, quote(r.toClient.Get("error")), quote(r.toClient.Get("error_description")))
	case r.toClient != nil:
		return fmt.Sprintf("%d to the redirect URI", r.status)
	case r.failed != "":
		return fmt.Sprintf("%d to %s with the error %s", r.status, quote(r.to), quote(r.failed))
	case r.to != "":
		return fmt.Sprintf("%d to %s", r.status, quote(r.to))
	}
	return fmt.Sprintf("a page with status %d", r.status)
}

// isError reports whether the reply is an error and not a sign-in.
func (r *reply) isError() bool { return r.status >= 400 || r.failed != "" }

// Values that are not registered. The domain does not exist (RFC 2606).
const (
	foreignURI    = "https://redirect.invalid/callback"
	foreignClient = "dcrctl-doctor-knows-no-such-client"
)

func (d *doctor) authorization(ctx context.Context) {
	if d.client == nil || d.server.text("authorization_endpoint") == "" {
		return
	}
	redirectURI := d.client.redirectURI
	f := d.check(authorizeAnswers)
	good, err := d.authorize(ctx, d.request(redirectURI))
	switch {
	case err != nil:
		f.fail(nil, "%s", err)
		d.skipRest(stageAuthorize, "the authorization endpoint does not answer")
	case good.isError(), good.toClient != nil:
		f.fail(nil, "%s", good)
	}
	f.end("%s", good)
	if err != nil {
		return
	}

	d.checkNoRedirect(ctx, authorizeClient, func(r *request) { r.params.Set("client_id", foreignClient) })
	refused := d.checkNoRedirect(ctx, authorizeRedirectURI, func(r *request) { r.params.Set("redirect_uri", foreignURI) })
	d.checkPort(ctx, redirectURI, good, refused)

	f = d.check(authorizePKCE)
	r := d.request(redirectURI)
	r.params.Del("code_challenge")
	r.params.Del("code_challenge_method")
	detail := ""
	if got, err := d.authorize(ctx, r); err != nil {
		f.fail(nil, "%s", err)
	} else if !got.isError() && got.toClient.Get("error") == "" {
		f.warn(nil, "%s: the sign-in continues without it, so a stolen code can be used", got)
	} else {
		detail = got.String()
	}
	f.end("%s", detail)
	d.checkErrorResponse(ctx, redirectURI)
}

// checkNoRedirect sends a request with an error for which the server must not
// redirect to the request's redirect URI.
func (d *doctor) checkNoRedirect(ctx context.Context, def *definition, change func(*request)) *reply {
	f := d.check(def)
	r := d.request(d.client.redirectURI)
	change(r)
	got, err := d.authorize(ctx, r)
	switch {
	case err != nil:
		f.fail(nil, "%s", err)
	case got.toClient != nil:
		f.fail(nil, "%s: an attacker can make this server redirect users to any address", got)
	case got.status >= 500:
		f.fail(nil, "%s", got)
	}
	f.end("%s", got)
	return got
}

func (d *doctor) checkPort(ctx context.Context, redirectURI string, good, refused *reply) {
	u, err := url.Parse(redirectURI)
	if err != nil || good.isError() || refused == nil {
		d.skip(authorizePort, "a correct request does not lead to a sign-in, so there is nothing to compare with")
		return
	}
	u.Host = u.Hostname() + ":49152"
	f := d.check(authorizePort)
	got, err := d.authorize(ctx, d.request(u.String()))
	switch {
	case err != nil:
		f.fail(nil, "%s", err)
	case got.equals(good) && got.equals(refused):
		d.skip(authorizePort, "this server checks redirect URIs only after the sign-in")
		return
	case !got.equals(good):
		f.warn([]string{reported(vsCode), reported(claudeCode)},
			"%s: VS Code uses another port if its own is in use, and so does Claude Code with a client ID metadata document", got)
	}
	f.end("another port leads to the same sign-in")
}

// checkErrorResponse sends a request with an unknown response type.
func (d *doctor) checkErrorResponse(ctx context.Context, redirectURI string) {
	r := d.request(redirectURI)
	r.params.Set("response_type", "dcrctl-doctor")
	got, err := d.authorize(ctx, r)
	if err != nil {
		f := d.check(authorizeError)
		f.fail(nil, "%s", err)
		f.end("")
		return
	}
	if got.toClient == nil {
		d.skip(authorizeError, "an unknown response_type leads to %s, not back to the client", got)
		return
	}
	f := d.check(authorizeError)
	if got.toClient.Get("error") == "" {
		f.fail(nil, "an unknown response_type leads back without an error")
	}
	if got.toClient.Get("state") != r.params.Get("state") {
		f.fail(nil, "the state is not the one sent")
	}
	d.checkIss(f, got.toClient)
	f.end("%s", quote(got.toClient.Get("error")))
}

// checkIss compares iss of an authorization response with the metadata (RFC
// 9207 §2.4).
func (d *doctor) checkIss(f *finding, response url.Values) {
	announced := d.server.isTrue("authorization_response_iss_parameter_supported")
	switch iss := response.Get("iss"); {
	case announced && iss == "":
		f.fail([]string{typeScript2, inspector, mcpRemote, goSDK}, "iss is announced but missing")
	case iss != "" && iss != d.server.text("issuer"):
		f.fail([]string{typeScript2, inspector, mcpRemote, goSDK}, "iss is %s, but the issuer is %s", quote(iss), quote(d.server.text("issuer")))
	case iss != "" && !announced:
		f.warn([]string{goSDK}, "iss is present but not announced, which the Go SDK rejects by default")
	}
}

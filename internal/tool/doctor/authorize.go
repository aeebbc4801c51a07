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

// request is an authorization request and what its client keeps to itself.
type request struct {
	params   url.Values
	verifier string
}

// request makes one as clients do (RFC 6749 section 4.1.1, RFC 7636 section 4.3,
// RFC 8707 section 2.1).
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

// address is the endpoint with the parameters, besides those it has.
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

// reply is what the authorization endpoint makes of a request, as far as can be
// seen without a user.
type reply struct {
	status int
	// toClient are the parameters with which the browser is sent to the redirect
	// URI of the request; nil if it is not.
	toClient url.Values
	// to is where it is sent otherwise, without the query; "" for a page.
	to string
	// failed is the error that the address of another page names.
	failed string
}

func (d *doctor) ask(ctx context.Context, r *request) (*reply, error) {
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

// like reports whether nobody could tell the two apart.
func (r *reply) like(other *reply) bool {
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

// refuses reports whether the reply is clearly no sign-in.
func (r *reply) refuses() bool { return r.status >= 400 || r.failed != "" }

// What is registered by nobody. The domain does not exist (RFC 2606).
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
	good, err := d.ask(ctx, d.request(redirectURI))
	switch {
	case err != nil:
		f.fail(nil, "%s", err)
		d.because(stageAuthorize, "the authorization endpoint does not answer")
	case good.refuses(), good.toClient != nil:
		f.fail(nil, "%s", good)
	}
	f.end("%s", good)
	if err != nil {
		return
	}

	d.stays(ctx, authorizeClient, func(r *request) { r.params.Set("client_id", foreignClient) })
	refused := d.stays(ctx, authorizeRedirectURI, func(r *request) { r.params.Set("redirect_uri", foreignURI) })
	d.checkPort(ctx, redirectURI, good, refused)

	f = d.check(authorizePKCE)
	r := d.request(redirectURI)
	r.params.Del("code_challenge")
	r.params.Del("code_challenge_method")
	said := ""
	if got, err := d.ask(ctx, r); err != nil {
		f.fail(nil, "%s", err)
	} else if !got.refuses() && got.toClient.Get("error") == "" {
		f.warn(nil, "%s: the sign-in goes on without it, so that a code that is stolen can be used", got)
	} else {
		said = got.String()
	}
	f.end("%s", said)
	d.checkErrorResponse(ctx, redirectURI)
}

// stays makes a request after which nobody may be sent to its redirect URI.
func (d *doctor) stays(ctx context.Context, def *definition, change func(*request)) *reply {
	f := d.check(def)
	r := d.request(d.client.redirectURI)
	change(r)
	got, err := d.ask(ctx, r)
	switch {
	case err != nil:
		f.fail(nil, "%s", err)
	case got.toClient != nil:
		f.fail(nil, "%s: anybody can make this server send people where they like", got)
	case got.status >= 500:
		f.fail(nil, "%s", got)
	}
	f.end("%s", got)
	return got
}

func (d *doctor) checkPort(ctx context.Context, redirectURI string, good, refused *reply) {
	u, err := url.Parse(redirectURI)
	if err != nil || good.refuses() || refused == nil {
		d.skip(authorizePort, "a request that is right does not lead to a sign-in, so there is nothing to compare with")
		return
	}
	u.Host = u.Hostname() + ":49152"
	f := d.check(authorizePort)
	got, err := d.ask(ctx, d.request(u.String()))
	switch {
	case err != nil:
		f.fail(nil, "%s", err)
	case got.like(good) && got.like(refused):
		d.skip(authorizePort, "this server looks at redirect URIs after the sign-in")
		return
	case !got.like(good):
		f.warn([]string{reported(vsCode), reported(claudeCode)},
			"%s: VS Code takes any port if its own is taken, and Claude Code does with a client ID metadata document", got)
	}
	f.end("another port leads to the same sign-in")
}

// checkErrorResponse asks for a response type that OAuth 2.1 does not have.
func (d *doctor) checkErrorResponse(ctx context.Context, redirectURI string) {
	r := d.request(redirectURI)
	r.params.Set("response_type", "dcrctl-doctor")
	got, err := d.ask(ctx, r)
	if err != nil {
		f := d.check(authorizeError)
		f.fail(nil, "%s", err)
		f.end("")
		return
	}
	if got.toClient == nil {
		d.skip(authorizeError, "an unknown response_type leads to %s, and not back to the client", got)
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

// checkIss holds iss of an authorization response against what the metadata
// announces (RFC 9207 section 2.4).
func (d *doctor) checkIss(f *finding, response url.Values) {
	announced := d.server.isTrue("authorization_response_iss_parameter_supported")
	switch iss := response.Get("iss"); {
	case announced && iss == "":
		f.fail([]string{typeScript2, inspector, mcpRemote, goSDK}, "iss is announced and missing")
	case iss != "" && iss != d.server.text("issuer"):
		f.fail([]string{typeScript2, inspector, mcpRemote, goSDK}, "iss is %s, and the issuer is %s", quote(iss), quote(d.server.text("issuer")))
	case iss != "" && !announced:
		f.warn([]string{goSDK}, "iss is there and not announced, which the Go SDK refuses unless it is told otherwise")
	}
}

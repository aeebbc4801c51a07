package doctor

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// tokens is the result of the sign-in.
type tokens struct {
	access, refresh string
	scope           []string
	code            string
	request         *request
}

func (d *doctor) signIn(ctx context.Context) {
	if d.back == nil {
		d.skipRest(stageSignIn, "not requested: --sign-in")
		return
	}
	if d.client == nil || d.server.text("authorization_endpoint") == "" || d.server.text("token_endpoint") == "" {
		return
	}
	d.skipRest(stageSignIn, "there is no token")
	r := d.request(d.client.redirectURI)
	response, ok := d.browse(ctx, r)
	if !ok {
		return
	}
	f := d.check(signInState)
	if response.Get("state") != r.params.Get("state") {
		f.fail(nil, "the state is not the one sent; clients treat this as an attack")
	}
	f.end("the one sent")

	f = d.check(signInIss)
	d.checkIss(f, response)
	f.end("%s", map[bool]string{true: "the issuer", false: "not announced, not present"}[response.Has("iss")])

	if !d.exchange(ctx, r, response.Get("code")) {
		return
	}
	d.checkClaims()
	d.callTools(ctx)
	d.renew(ctx)
	d.replay(ctx)
}

// browse sends the user to the authorization endpoint and waits for the
// redirect.
func (d *doctor) browse(ctx context.Context, r *request) (url.Values, bool) {
	f := d.check(signInRedirect)
	endpoint, err := d.endpoint("authorization_endpoint")
	if err != nil {
		f.fail(nil, "%s", err)
		f.end("")
		return nil, false
	}
	address, err := r.address(endpoint)
	if err == nil {
		err = d.Open(ctx, address)
	}
	if err != nil {
		f.fail(nil, "%s", reasonOf(err))
		f.end("")
		return nil, false
	}
	waiting, cancel := context.WithTimeout(ctx, d.Patience)
	defer cancel()
	response, err := d.back.wait(waiting)
	switch {
	case ctx.Err() != nil:
		d.skip(signInRedirect, "interrupted")
		return nil, false
	case err != nil:
		f.fail(nil, "the browser did not return within %s", d.Patience)
	case response.Get("error") != "":
		f.fail(nil, "the error %s: %s", quote(response.Get("error")), quote(response.Get("error_description")))
	case response.Get("code") == "":
		f.fail(nil, "there is no code")
	}
	d.withhold(response.Get("code"))
	f.end("with a code")
	return response, len(f.faults) == 0
}

var tokenKinds = map[string]kind{
	"access_token": aString, "token_type": aString, "expires_in": aSeconds, "refresh_token": aString, "scope": aString, "id_token": aString,
}

// exchange redeems the code (RFC 6749 §4.1.3).
func (d *doctor) exchange(ctx context.Context, r *request, code string) bool {
	f := d.check(signInToken)
	a, o := d.redeem(ctx, f, d.codeForm(r, code))
	if o == nil {
		f.end("")
		return false
	}
	if !strings.EqualFold(o.text("token_type"), "Bearer") {
		f.fail(typeScript, "token_type is %s", quote(o.text("token_type")))
	}
	if a.isStored() {
		f.warn(nil, "there is no Cache-Control: no-store")
	}
	f.end("Bearer, no-store")
	d.tokens = &tokens{access: o.text("access_token"), refresh: o.text("refresh_token"), scope: strings.Fields(o.text("scope")), code: code, request: r}

	f = d.check(signInMembers)
	f.checkMembers(o, tokenKinds, typeScript)
	if !o.has("expires_in") {
		f.warn(nil, "expires_in is missing, but recommended")
	}
	f.end("expires_in is %s", quote(strings.Trim(string(o["expires_in"]), `"`)))

	f = d.check(signInRefresh)
	if d.tokens.refresh == "" {
		f.warn(nil, "it is missing: users must sign in again when the access token expires")
	}
	f.end("present")

	f = d.check(signInScope)
	granted := d.tokens.scope
	if !o.has("scope") {
		granted = d.scopes // RFC 6749 §5.1: identical to the requested scope
	}
	if missing := missingFrom(granted, d.scopes...); len(missing) > 0 {
		f.fail(nil, "%s was requested but not granted; granted: %s", quotes(missing), quotes(granted))
	}
	f.end("%s", quotes(granted))
	return true
}

func (d *doctor) codeForm(r *request, code string) url.Values {
	return d.withResource(url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {r.params.Get("redirect_uri")}, "code_verifier": {r.verifier},
	})
}

// withResource adds the parameter that MCP clients send with every token
// request (RFC 8707 §2.2).
func (d *doctor) withResource(form url.Values) url.Values {
	if !d.isIssuer {
		form.Set("resource", d.URL)
	}
	return form
}

// redeem requests tokens. Without any it adds a fault and returns no object.
func (d *doctor) redeem(ctx context.Context, f *finding, form url.Values) (*answer, object) {
	a, err := d.post(ctx, "token_endpoint", d.client, form)
	if err != nil {
		f.fail(nil, "%s", err)
		return nil, nil
	}
	o, err := a.decode()
	for _, name := range []string{"access_token", "refresh_token", "id_token"} {
		d.withhold(o.text(name))
	}
	switch {
	case a.status != http.StatusOK:
		f.fail(nil, "%s", errorOf(a))
		return a, nil
	case err != nil:
		f.fail(nil, "%s", err)
		return a, nil
	case o.text("access_token") == "":
		f.fail(nil, "there is no access_token")
		return a, nil
	}
	return a, o
}

// claims returns the claims of a JWT; nil if the token is not one. It does not
// verify the signature.
func claims(token string) object {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil
	}
	var o object
	if json.Unmarshal(raw, &o) != nil {
		return nil
	}
	return o
}

func (d *doctor) checkClaims() {
	c := claims(d.tokens.access)
	if c == nil {
		d.skip(signInClaims, "the token is not a JWT; only its servers can read it")
		return
	}
	f := d.check(signInClaims)
	if use := c.text("token_use"); use != "" && use != "access" {
		f.fail(nil, "token_use is %s: in Cognito's tokens, this is not an access token", quote(use))
	}
	var expires int64
	if json.Unmarshal(c["exp"], &expires) != nil {
		f.fail(nil, "exp is missing or not an integer")
	} else if !time.Unix(expires, 0).After(d.Now()) {
		f.fail(nil, "exp is in the past")
	}
	if c.text("iss") == "" {
		f.fail(nil, "iss is missing")
	}
	audience := c.texts("aud")
	if aud := c.text("aud"); aud != "" {
		audience = []string{aud}
	}
	switch {
	case d.isIssuer:
	case len(audience) == 0:
		f.warn(nil, "there is no aud: the MCP server cannot see from the token that it is the audience, and must check client_id and scope instead")
	case !slices.Contains(audience, d.URL):
		f.warn(nil, "aud is %s, not the requested resource", quotes(audience))
	}
	if c.has("scope") {
		if missing := missingFrom(strings.Fields(c.text("scope")), d.scopes...); len(missing) > 0 {
			f.fail(nil, "scope is %s, without %s", quote(c.text("scope")), quotes(missing))
		}
	}
	var list []string
	for _, name := range []string{"iss", "aud", "client_id", "token_use", "scope"} {
		if v := c.text(name); v != "" {
			list = append(list, name+" "+quote(v))
		}
	}
	f.end("%s", words(list))
}

// renew uses the refresh token (RFC 6749 §6).
func (d *doctor) renew(ctx context.Context) {
	if d.tokens.refresh == "" {
		d.skip(signInRenewed, "there is no refresh token")
		d.skip(signInRotation, "there is no refresh token")
		return
	}
	f := d.check(signInRenewed)
	_, o := d.redeem(ctx, f, d.withResource(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {d.tokens.refresh}}))
	if o != nil {
		f.checkMembers(o, tokenKinds, typeScript)
	}
	f.end("a new access token")
	if o == nil {
		d.skip(signInRotation, "there was no answer to check")
		return
	}
	f = d.check(signInRotation)
	next := o.text("refresh_token")
	if next == "" || next == d.tokens.refresh {
		if d.client.method == "none" {
			f.warn(nil, "the refresh token stays the same: OAuth 2.1 requires a new one, so that the use of a stolen one is detected")
		}
	} else {
		d.tokens.refresh = next
	}
	f.end("%s", map[bool]string{true: "a new one", false: "the same one, for a client that has a secret"}[next != "" && d.client.method == "none"])
}

// replay sends the code again. It comes last, because a server may end the
// grant.
func (d *doctor) replay(ctx context.Context) {
	f := d.check(signInReplay)
	a, err := d.post(ctx, "token_endpoint", d.client, d.codeForm(d.tokens.request, d.tokens.code))
	if err == nil && a.status >= 200 && a.status <= 299 {
		if o, err := a.decode(); err == nil {
			d.withhold(o.text("access_token"))
			d.withhold(o.text("refresh_token"))
		}
		f.fail(nil, "the code is accepted a second time: anyone who finds it in a log or a browser history can use it")
	} else if err != nil {
		f.fail(nil, "%s", err)
	}
	detail := ""
	if a != nil {
		detail = "rejected: " + errorOf(a)
	}
	f.end("%s", detail)
}

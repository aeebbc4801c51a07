package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// clientName is the doctor's own client name.
const clientName = "dcrctl-doctor"

// client is a registration.
type client struct {
	id, secret, method string
	redirectURI        string
	manageURI          string
	manageToken        string
}

// ownRedirectURI is the doctor's redirect URI. Nothing listens on it without a
// sign-in.
func (d *doctor) ownRedirectURI() string {
	if d.back != nil {
		return d.back.uri
	}
	return "http://127.0.0.1:33421/callback"
}

// token returns the initial access token for the issuer; "" if there is none.
func (d *doctor) token() string {
	if d.InitialAccessToken != "" {
		return d.InitialAccessToken
	}
	return d.InitialAccessTokens[d.issuer]
}

// register makes one registration, and stores it for cleanUp.
func (d *doctor) register(ctx context.Context, body map[string]any) (*answer, error) {
	address, err := d.endpoint("registration_endpoint")
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	header := http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}}
	if token := d.token(); token != "" {
		if u, err := webURL(address); err != nil || !isProtected(u) {
			return nil, errors.New("the initial access token is not sent over plain http to another machine")
		}
		header.Set("Authorization", "Bearer "+token)
	}
	// Not interruptible: without the answer the registration cannot be deleted.
	a, err := d.send(context.WithoutCancel(ctx), http.MethodPost, address, header, raw)
	if err != nil {
		return nil, err
	}
	if o, err := a.decode(); err == nil {
		for _, name := range []string{"client_secret", "registration_access_token"} {
			d.withhold(o.text(name))
		}
		if a.status >= 200 && a.status <= 299 && o.text("client_id") != "" {
			d.registered = append(d.registered, clientOf(o, body))
		}
	}
	return a, nil
}

func clientOf(o object, body map[string]any) *client {
	c := &client{
		id: o.text("client_id"), secret: o.text("client_secret"), method: o.text("token_endpoint_auth_method"),
		manageURI: o.text("registration_client_uri"), manageToken: o.text("registration_access_token"),
	}
	if uris, ok := body["redirect_uris"].([]string); ok && len(uris) > 0 {
		c.redirectURI = uris[0]
	}
	if c.method == "" && c.secret == "" {
		c.method = "none"
	}
	if c.method == "" {
		c.method = "client_secret_basic" // RFC 7591 section 2
	}
	return c
}

func (d *doctor) registration(ctx context.Context) {
	if d.server == nil || d.server.text("registration_endpoint") == "" {
		return
	}
	f := d.check(registerCORS)
	if err := d.preflight(ctx, http.MethodPost, d.server.text("registration_endpoint"), "content-type"); err != nil {
		f.warn([]string{inspector}, "%s: a client in a browser cannot register", err)
	}
	f.end("other origins may register")
	if d.Register == RegisterNone {
		for _, s := range []stage{stageRegister, stageAuthorize, stageToken, stageSignIn} {
			d.skipRest(s, "registration is switched off")
		}
		return
	}

	f = d.check(registerAccepted)
	redirectURI := d.ownRedirectURI()
	body := with(public(clientName, redirectURI), map[string]any{"application_type": "native", "scope": d.scope()})
	a, err := d.register(ctx, body)
	if err != nil || a.status < 200 || a.status > 299 {
		switch {
		case err != nil:
			f.fail(nil, "%s", err)
		case a.status == http.StatusUnauthorized && d.token() == "":
			f.fail(append([]string{vsCode, claude, claudeCode, chatGPT}, registering...),
				"%s: registration needs an initial access token, which no MCP client sends on its own", errorOf(a))
		case a.status == http.StatusUnauthorized:
			f.fail(nil, "the initial access token is rejected: %s", errorOf(a))
		case a.status == http.StatusTooManyRequests:
			f.warn(nil, "%s: the limit of registrations is reached; checks that need a client are skipped", errorOf(a))
		default:
			f.fail(nil, "%s", errorOf(a))
		}
		f.end("")
		for _, s := range []stage{stageRegister, stageAuthorize, stageToken, stageSignIn} {
			d.skipRest(s, "there is no client")
		}
		return
	}
	if d.token() != "" {
		f.end("%d, with the initial access token", a.status)
	} else {
		f.end("%d", a.status)
	}
	d.checkRegistration(a, body)
	d.checkManagement(ctx)
	d.checkRefusal(ctx)
}

var registrationKinds = map[string]kind{
	"client_id": aString, "client_secret": aString, "client_id_issued_at": anInteger, "client_secret_expires_at": anInteger,
	"redirect_uris": strings_, "grant_types": strings_, "response_types": strings_, "contacts": strings_, "token_endpoint_auth_method": aString,
	"client_name": aString, "client_uri": aString, "logo_uri": aString, "tos_uri": aString, "policy_uri": aString, "jwks_uri": aString,
	"scope": aString, "software_id": aString, "software_version": aString, "registration_client_uri": aString, "registration_access_token": aString,
}

// checkRegistration checks the answer to the doctor's own registration.
func (d *doctor) checkRegistration(a *answer, body map[string]any) {
	f := d.check(registerStatus)
	switch {
	case a.status == http.StatusOK:
		f.warn(nil, "200, must be 201")
	case a.status != http.StatusCreated:
		f.fail([]string{goSDK, python1, python2}, "%d, must be 201", a.status)
	}
	if !a.isType("application/json") {
		f.fail(nil, "Content-Type is %s", quote(a.header.Get("Content-Type")))
	}
	if a.isStored() {
		f.warn(nil, "there is no Cache-Control: no-store")
	}
	f.end("201, application/json, no-store")

	o, err := a.decode()
	f = d.check(registerClientID)
	switch {
	case err != nil:
		f.fail(nil, "%s", err)
		for _, s := range []stage{stageRegister, stageAuthorize, stageToken, stageSignIn} {
			d.skipRest(s, "the registration cannot be read")
		}
	case o.text("client_id") == "":
		f.fail(nil, "client_id is missing")
		for _, s := range []stage{stageAuthorize, stageToken, stageSignIn} {
			d.skipRest(s, "there is no client_id")
		}
	}
	f.end("%s", quote(o.text("client_id")))
	if err != nil {
		return
	}
	if o.text("client_id") != "" {
		d.client = d.registered[len(d.registered)-1]
	}

	f = d.check(registerRedirectURIs)
	if uris := o.texts("redirect_uris"); uris == nil {
		f.fail(append([]string{rmcp, python1}, typeScript...), "redirect_uris is missing")
	} else if missing := missingFrom(uris, body["redirect_uris"].([]string)...); len(missing) > 0 {
		f.fail(nil, "redirect_uris is %s, without the registered %s", quotes(uris), quotes(missing))
	}
	f.end("as sent")

	f = d.check(registerAuthMethod)
	switch method := o.text("token_endpoint_auth_method"); {
	case method == "":
		f.fail([]string{goSDK}, "token_endpoint_auth_method is missing, which means client_secret_basic")
	case method != "none" && o.text("client_secret") == "":
		f.fail([]string{python1, python2}, "it is %s, but there is no client_secret", quote(method))
	case method != "none":
		f.warn(nil, "it is %s, although a public client registered: a program on a user's machine cannot keep a secret", quote(method))
	}
	f.end("none")

	f = d.check(registerGrantTypes)
	if types := o.texts("grant_types"); types == nil {
		f.warn(nil, "grant_types is missing")
	} else if missing := missingFrom(types, codeAndRefresh...); len(missing) > 0 {
		f.warn(nil, "grant_types is %s, without %s", quotes(types), words(missing))
	}
	f.end("%s", words(codeAndRefresh))

	f = d.check(registerMembers)
	f.checkMembers(o, registrationKinds, append([]string{reported(claudeCode)}, typeScript...))
	for _, name := range []string{"client_uri", "jwks_uri"} {
		if o.has(name) && o.text(name) == "" {
			f.fail(typeScript, "%s is empty; a member without a value must be left out", name)
		}
	}
	if k := anObject; o.has("jwks") && k.fits(o["jwks"]) {
		f.warn([]string{goSDK}, "jwks is present, which the Go SDK cannot read")
	}
	f.end("no null, no empty URL, times are integers")

	f = d.check(registerSecret)
	switch {
	case o.text("client_secret") == "":
	case !o.has("client_secret_expires_at"):
		f.fail([]string{openClient}, "there is a client_secret without client_secret_expires_at, which is then REQUIRED")
	case o.text("token_endpoint_auth_method") == "none":
		f.warn(nil, "there is a client_secret, but the method is none")
	}
	f.end("%s", map[bool]string{true: "no client_secret", false: "it has its client_secret_expires_at"}[o.text("client_secret") == ""])
}

// checkManagement checks the client's access to its registration (RFC 7592).
func (d *doctor) checkManagement(ctx context.Context) {
	if d.client == nil {
		return
	}
	c := d.client
	f := d.check(registerManagement)
	switch {
	case (c.manageURI == "") != (c.manageToken == ""):
		f.fail(nil, "one of registration_client_uri and registration_access_token is present without the other")
	case c.manageURI != "":
		if u, err := webURL(c.manageURI); err != nil {
			f.fail(nil, "registration_client_uri: %s", err)
		} else if !isProtected(u) {
			f.fail(nil, "registration_client_uri is plain http to another machine")
		}
	}
	if !c.isManaged() {
		f.end("none; the client cannot read or delete its registration, so the server has to remove unused ones")
		d.skip(registerRead, "the server offers no way to read it")
		return
	}
	f.end("both")

	f = d.check(registerRead)
	a, err := d.manage(ctx, http.MethodGet, c, c.manageToken)
	if err != nil {
		f.fail(nil, "%s", err)
	} else if o, err := a.decode(); a.status != http.StatusOK || err != nil {
		f.fail(nil, "%s", errorOf(a))
	} else {
		// The answer may have a new token, which replaces the old one (RFC 7592
		// §3).
		if t := o.text("registration_access_token"); t != "" {
			d.withhold(t)
			c.manageToken = t
		}
		d.withhold(o.text("client_secret"))
		if o.text("client_id") != c.id {
			f.fail(nil, "client_id is %s, but %s was registered", quote(o.text("client_id")), quote(c.id))
		}
	}
	if a, err := d.manage(ctx, http.MethodGet, c, "dcrctl-doctor-sends-no-token"); err == nil && a.status != http.StatusUnauthorized {
		f.fail(nil, "with an invalid token the answer is %d, must be 401", a.status)
	}
	f.end("200 with the token, 401 with another")
}

// isManaged reports whether the registration can be deleted.
func (c *client) isManaged() bool {
	u, err := webURL(c.manageURI)
	return err == nil && isProtected(u) && c.manageToken != ""
}

// manage makes a request to the client configuration endpoint (RFC 7592).
func (d *doctor) manage(ctx context.Context, method string, c *client, token string) (*answer, error) {
	return d.send(ctx, method, c.manageURI, http.Header{"Accept": {"application/json"}, "Authorization": {"Bearer " + token}}, nil)
}

// checkRefusal sends a registration that must be rejected.
func (d *doctor) checkRefusal(ctx context.Context) {
	f := d.check(registerRefuses)
	a, err := d.register(ctx, public(clientName, "javascript:alert(1)"))
	if err != nil {
		f.fail(nil, "%s", err)
		f.end("")
		d.skip(registerError, "nothing was rejected")
		return
	}
	if d.token() != "" && (a.status == http.StatusUnauthorized || a.status == http.StatusForbidden) {
		d.skip(registerRefuses, "the initial access token allows no second registration: %s", errorOf(a))
		d.skip(registerError, "the answer is about the token and not about the registration")
		return
	}
	if a.status >= 200 && a.status <= 299 {
		// A server may drop the invalid URI and register the others; this request
		// has no others.
		if o, err := a.decode(); err != nil || slices.ContainsFunc(o.texts("redirect_uris"), func(u string) bool { return strings.HasPrefix(u, "javascript:") }) {
			f.fail(nil, "%d: the server accepts a redirect URI that runs a script in its own pages", a.status)
		}
		f.end("registered without it")
		d.skip(registerError, "nothing was rejected")
		return
	}
	f.end("%s", errorOf(a))

	f = d.check(registerError)
	o, err := a.decode()
	switch code := o.text("error"); {
	case err != nil || code == "":
		f.fail(typeScript, "%s", errorOf(a))
	case code == "invalid_client" || code == "unauthorized_client":
		f.fail(typeScript, "the error is %s, which makes the TypeScript SDK discard everything and register again", quote(code))
	}
	if a.status != http.StatusBadRequest && a.status != http.StatusTooManyRequests {
		f.warn([]string{goSDK}, "%d, must be 400", a.status)
	}
	if a.header.Get("Content-Type") != "" && !a.isType("application/json") {
		f.warn(nil, "Content-Type is %s", quote(a.header.Get("Content-Type")))
	}
	f.end("%s", fmt.Sprintf("%d %s", a.status, quote(o.text("error"))))
}

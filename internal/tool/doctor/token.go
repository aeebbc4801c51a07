package doctor

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
)

// post sends a form to an endpoint as the client.
func (d *doctor) post(ctx context.Context, endpoint string, c *client, form url.Values) (*answer, error) {
	address, err := d.endpoint(endpoint)
	if err != nil {
		return nil, err
	}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}}
	if c.method == "client_secret_basic" {
		// RFC 6749 §2.3.1: id and secret are form-encoded first.
		credentials := url.QueryEscape(c.id) + ":" + url.QueryEscape(c.secret)
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(credentials)))
	} else {
		form.Set("client_id", c.id)
		if c.method == "client_secret_post" {
			form.Set("client_secret", c.secret)
		}
	}
	return d.send(ctx, http.MethodPost, address, header, []byte(form.Encode()))
}

// tokenEndpoint sends token requests that must be rejected.
func (d *doctor) tokenEndpoint(ctx context.Context) {
	if d.client == nil || d.server.text("token_endpoint") == "" {
		return
	}
	f := d.check(tokenCORS)
	if err := d.preflight(ctx, http.MethodPost, d.server.text("token_endpoint"), "content-type", "authorization"); err != nil {
		f.warn([]string{inspector}, "%s: a client in a browser cannot request tokens", err)
	}
	f.end("other origins may request tokens")

	f = d.check(tokenGrant)
	a, err := d.post(ctx, "token_endpoint", d.client, url.Values{
		"grant_type": {"authorization_code"}, "code": {"dcrctl-doctor-sends-no-code"}, "redirect_uri": {d.client.redirectURI},
		"code_verifier": {"dcrctl-doctor-sends-no-verifier-of-forty-three"},
	})
	d.wantError(f, a, err, wantedError{status: http.StatusBadRequest, code: "invalid_grant", byCode: typeScript})

	f = d.check(tokenClient)
	a, err = d.post(ctx, "token_endpoint", &client{id: foreignClient, method: "none"}, url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {"dcrctl-doctor-sends-no-token"},
	})
	// RFC 6749 allows 400 here as well, but Claude needs 401 to see that its
	// registration no longer exists.
	d.wantError(f, a, err, wantedError{
		status: http.StatusUnauthorized, code: "invalid_client",
		byCode: []string{claude, vsCode, typeScript1, typeScript2}, byStatus: []string{claude},
	})
}

// A wantedError is the error that a check expects.
type wantedError struct {
	status int
	code   string
	// byCode and byStatus are the clients that act on the code and on the
	// status.
	byCode, byStatus []string
}

// wantError ends a check that expects an error. a and err are the result of the
// request.
func (d *doctor) wantError(f *finding, a *answer, err error, want wantedError) {
	if err != nil {
		f.fail(nil, "%s", err)
		f.end("")
		return
	}
	o, err := a.decode()
	switch {
	case a.status >= 200 && a.status <= 299:
		f.fail(nil, "%d", a.status)
	case err != nil || o.text("error") == "":
		f.fail(want.byCode, "%s", errorOf(a))
	case o.text("error") != want.code:
		f.warn(want.byCode, "%s; clients need %s to know what to do", errorOf(a), want.code)
	case a.status != want.status:
		f.warn(want.byStatus, "%s; clients expect %d", errorOf(a), want.status)
	}
	f.end("%d %s", a.status, quote(o.text("error")))
}

package units

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/dcr-broker/dcr-broker/internal/tool/signin"
	"github.com/dcr-broker/dcr-broker/test/lambdaruntime"
)

const (
	password = "Correct-Horse-9"

	// verifier and challenge are those of RFC 7636 appendix B.
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// functionOf returns the function that answers requests for the path.
func functionOf(path string) string {
	switch first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/"); first {
	case "register":
		return "register"
	case "token", "revoke", "introspect":
		return "token"
	}
	return "authorize"
}

// RoundTrip implements http.RoundTripper: it passes requests for the broker to
// its functions, and those for Cognito's domain to the local one.
func (d *deployment) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == strings.TrimPrefix(cognito, "https://") {
		in := r.Clone(r.Context())
		if in.Body == nil {
			in.Body = http.NoBody
		}
		w := httptest.NewRecorder()
		d.pool.ServeHTTP(w, in)
		res := w.Result()
		res.Request = r
		return res, nil
	}
	e, err := lambdaruntime.Event(r, "$default", "units=")
	if err != nil {
		return nil, err
	}
	payload, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	name := functionOf(r.URL.Path)
	f, err := d.function(name)
	if err != nil {
		return nil, err
	}
	out, err := f.Invoke(r.Context(), payload)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", name, err, f.Logs())
	}
	a, err := lambdaruntime.ParseAnswer(out)
	if err == nil && a.Status >= http.StatusInternalServerError {
		return nil, fmt.Errorf("%s: status %d: %s", name, a.Status, f.Logs())
	}
	if err != nil {
		return nil, err
	}
	return &http.Response{
		Status: fmt.Sprint(a.Status, " ", http.StatusText(a.Status)), StatusCode: a.Status, Header: a.Header, Request: r,
		Body: io.NopCloser(bytes.NewReader(a.Body)), ContentLength: int64(len(a.Body)),
	}, nil
}

// call sends a request to the broker, checks the status, and returns the members
// of the answer. body is a form (url.Values), JSON (string) or nil.
func (d *deployment) call(method, path string, body any, authorization string, status int) map[string]any {
	if d.err != nil {
		return nil
	}
	fields, err := d.send(method, path, body, authorization, status)
	if err != nil {
		d.err = fmt.Errorf("%s %s: %w", method, path, err)
	}
	return fields
}

func (d *deployment) send(method, path string, body any, authorization string, status int) (map[string]any, error) {
	text, contentType := "", ""
	switch b := body.(type) {
	case url.Values:
		text, contentType = b.Encode(), "application/x-www-form-urlencoded"
	case string:
		text, contentType = b, "application/json"
	}
	req, err := http.NewRequestWithContext(d.ctx, method, issuer+path, strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]string{"Content-Type": contentType, "Authorization": authorization} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	res, err := d.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != status {
		return nil, fmt.Errorf("%s %s, want %d", res.Status, answer, status)
	}
	var fields map[string]any
	if len(answer) > 0 {
		err = json.Unmarshal(answer, &fields)
	}
	return fields, err
}

func text(fields map[string]any, name string) string {
	s, _ := fields[name].(string)
	return s
}

// metadata returns what a well-known client registers, with changes. The file is
// that of the present checkout, for both builds.
func (d *deployment) metadata(client string, changes map[string]any) map[string]any {
	var fields map[string]any
	b, err := os.ReadFile(filepath.Join("testdata", "registrations", client+".json"))
	if err == nil {
		err = json.Unmarshal(b, &fields)
	}
	if err != nil {
		d.err = err
		return nil
	}
	maps.Copy(fields, changes)
	return fields
}

// client is a registered client.
type client struct {
	id, secret, management string
	metadata               map[string]any
}

// register registers a client, openly or with an initial access token.
func (d *deployment) register(metadata map[string]any, initialAccessToken string) client {
	body, _ := json.Marshal(metadata) // it was JSON
	authorization := ""
	if initialAccessToken != "" {
		authorization = "Bearer " + initialAccessToken
	}
	got := d.call("POST", "/register", string(body), authorization, http.StatusCreated)
	return client{text(got, "client_id"), text(got, "client_secret"), text(got, "registration_access_token"), metadata}
}

func (c client) redirectURI() string {
	uris, _ := c.metadata["redirect_uris"].([]any)
	uri, _ := uris[len(uris)-1].(string)
	return uri
}

// request returns an authorization request as MCP clients make it.
func (c client) request() url.Values {
	return url.Values{
		"response_type": {"code"}, "client_id": {c.id}, "redirect_uri": {c.redirectURI()}, "scope": {"mcp/read"},
		"state":          {"q0aH8Xw3ZbV5nTt1Jr7KcYgEuL4sMdPf9iRo2vWx6zA"},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"}, "resource": {mcpServer},
	}
}

// browser returns a new browser of a user.
func (d *deployment) browser(user string) *signin.Browser {
	return &signin.Browser{Transport: d, Username: user, Password: password}
}

// authorize sends the client's authorization request to the broker from the
// browser, signs the user in, allows the client if a page asks, and returns the
// code.
func (d *deployment) authorize(b *signin.Browser, c client) (code string) {
	return d.visit(b, issuer+"/authorize", c)
}

// visit is authorize at an authorization endpoint.
func (d *deployment) visit(b *signin.Browser, endpoint string, c client) (code string) {
	if d.err != nil {
		return ""
	}
	to, err := b.Visit(d.ctx, endpoint+"?"+c.request().Encode(), c.redirectURI())
	if err == nil && to.Query().Get("code") == "" {
		err = fmt.Errorf("no code in %s", to)
	}
	if err != nil {
		d.err = fmt.Errorf("sign-in: %w", err)
		return ""
	}
	return to.Query().Get("code")
}

// token sends a request of the client to the token endpoint.
func (d *deployment) token(c client, form url.Values) (fields map[string]any) {
	return d.call("POST", "/token", c.authenticated(form), c.basic(), http.StatusOK)
}

// authenticated adds the client's id to a form unless it authenticates.
func (c client) authenticated(form url.Values) url.Values {
	if c.secret == "" {
		form.Set("client_id", c.id)
	}
	return form
}

func (c client) basic() string {
	if c.secret == "" {
		return ""
	}
	return basic(c.id, c.secret)
}

func basic(id, secret string) string {
	r := http.Request{Header: make(http.Header)}
	r.SetBasicAuth(id, secret)
	return r.Header.Get("Authorization")
}

// redeem redeems a code.
func (d *deployment) redeem(c client, code string) map[string]any {
	return d.token(c, url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {c.redirectURI()}, "code_verifier": {verifier}, "resource": {mcpServer},
	})
}

// refresh redeems the refresh token among tokens.
func (d *deployment) refresh(c client, tokens map[string]any) map[string]any {
	return d.token(c, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {text(tokens, "refresh_token")}, "resource": {mcpServer}})
}

// signIn is authorize in a new browser and redeem.
func (d *deployment) signIn(user string, c client) (tokens map[string]any) {
	return d.redeem(c, d.authorize(d.browser(user), c))
}

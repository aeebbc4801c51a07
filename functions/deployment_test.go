package functions

import (
	"cmp"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/adapter"
	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
	"github.com/dcr-broker/dcr-broker/test/dynamodbtest"
	"github.com/dcr-broker/dcr-broker/test/lambdaruntime"
	"github.com/dcr-broker/dcr-broker/test/permissions"
)

// deployment is a complete broker as it runs in the cloud: the real bootstraps of
// its functions behind a gateway. In brokered mode the pool has managed login and
// room for few app clients.
type deployment struct {
	*world
	*gateway
	private   *invocations
	issuer    string
	transport http.RoundTripper
	all       map[string]*lambdaruntime.Function
	initial   string // an initial access token
}

// deploy starts a deployment of brokered mode on a pool with room for appClients
// app clients. env are names and values of variables of the functions. The keys
// are in Secrets Manager, the configuration is in the table.
func deploy(t *testing.T, appClients int, env ...string) *deployment {
	t.Helper()
	return deployWith(t, appClients, nil, env...)
}

// deployWith is deploy with a function that can change the world before it is
// stored, and the functions.
func deployWith(t *testing.T, appClients int, change func(*world), env ...string) *deployment {
	t.Helper()
	endpoint := dynamodbtest.Endpoint(t)
	d := &deployment{all: make(map[string]*lambdaruntime.Function)}
	d.world = brokeredWorldAround(t, endpoint, func(c *emulator.Config, self string) {
		c.BaseURL, c.ManagedLogin, c.AppClientQuota = self, 2, appClients
	})
	g, srv := newGateway(t)
	srv.Config.Handler = d.collected.wrap("", g)
	d.gateway, d.issuer, d.transport = g, srv.URL, srv.Client().Transport
	d.private = newInvocations(d.world)
	maps.Copy(d.env, map[string]string{"ISSUER": d.issuer, "LOGIN_VERSION": "2"})
	d.document["resource_binding"] = true
	d.secretsManager()
	for i := 0; i < len(env); i += 2 {
		d.env[env[i]] = env[i+1]
	}
	if change != nil {
		change(d.world)
	}
	d.world.store()
	d.initial = d.real[exampleInitial]
	d.start()
	return d
}

// start gives every function a new process. It ends the former ones.
func (d *deployment) start() {
	d.tb().Helper()
	for _, name := range permissions.Functions(d.config().Mode) {
		if former := d.all[name]; former != nil {
			former.Close()
		}
		d.all[name] = d.function(name)
	}
	maps.Copy(d.gateway.functions, d.all)
	if d.private != nil {
		d.private.deploy(provisionFunction, d.all["provision"])
	}
}

// tb returns the test. Both embedded types have it.
func (d *deployment) tb() *testing.T { return d.world.t }

// browser is the browser of one user. It has a cookie jar and follows no
// redirects.
type browser struct {
	*http.Client
	pool *emulator.Browser
}

func (d *deployment) browser() *browser {
	jar, _ := cookiejar.New(nil) // never fails without options
	return &browser{
		Client: adapter.WithoutRedirects(&http.Client{Transport: d.transport, Jar: jar}),
		pool:   emulator.NewBrowser(),
	}
}

// send sends a request to a path of the broker. body is nil, a form
// (url.Values) or JSON (string).
func (d *deployment) send(c *http.Client, method, path string, body any, bearer string) *lambdaruntime.Answer {
	d.tb().Helper()
	var r io.Reader
	contentType := ""
	switch b := body.(type) {
	case url.Values:
		r, contentType = strings.NewReader(b.Encode()), "application/x-www-form-urlencoded"
	case string:
		r, contentType = strings.NewReader(b), "application/json"
	}
	req, err := http.NewRequestWithContext(d.tb().Context(), method, d.issuer+path, r)
	if err != nil {
		d.tb().Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if bearer != "" {
		req.Header.Set("Authorization", bearer)
	}
	res, err := c.Do(req)
	if err != nil {
		d.tb().Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		d.tb().Fatal(err)
	}
	return &lambdaruntime.Answer{Status: res.StatusCode, Header: res.Header, Body: b}
}

// call sends a request as a client does. It checks the status and returns the
// members of the JSON response.
func (d *deployment) call(method, path string, body any, authorization string, status int) map[string]any {
	d.tb().Helper()
	a := d.send(&http.Client{Transport: d.transport}, method, path, body, authorization)
	if a.Status != status {
		d.tb().Fatalf("%s %s = %d %s, want %d", method, path, a.Status, a.Body, status)
	}
	var fields map[string]any
	if len(a.Body) > 0 {
		if err := json.Unmarshal(a.Body, &fields); err != nil {
			d.tb().Fatalf("%s %s: %v in %q", method, path, err, a.Body)
		}
	}
	for _, name := range []string{"client_secret", "registration_access_token", "access_token", "refresh_token"} {
		if s := text(fields, name); s != "" {
			d.secrets = append(d.secrets, s)
		}
	}
	return fields
}

func text(fields map[string]any, name string) string {
	s, _ := fields[name].(string)
	return s
}

// registration is a registered client.
type registration struct {
	id, secret, management, redirectURI string
	// resource and scope are what the client requests; default: mcpServer and its
	// scope.
	resource, scope string
}

func (r registration) requested() (resource, scope string) {
	return cmp.Or(r.resource, mcpServer), cmp.Or(r.scope, "mcp/read")
}

// register registers a client, openly or with the initial access token.
func (d *deployment) register(metadata, redirectURI, authorization string) registration {
	d.tb().Helper()
	got := d.call("POST", "/register", strings.Replace(metadata, "{", `{"redirect_uris":["`+redirectURI+`"],`, 1), authorization, http.StatusCreated)
	return registration{id: text(got, "client_id"), secret: text(got, "client_secret"), management: text(got, "registration_access_token"), redirectURI: redirectURI}
}

// authorizePath returns the path of an authorization request of the client.
func (r registration) authorizePath() string {
	resource, scope := r.requested()
	return "/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {r.id}, "redirect_uri": {r.redirectURI}, "scope": {scope}, "state": {clientState},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"}, "resource": {resource}, "prompt": {"login"},
	}.Encode()
}

const (
	clientState = "state of the client: &#+%"
	challenge   = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" // the S256 challenge of verifier
	mcpServer   = "https://mcp.example.com/mcp"
)

// begin sends the authorization request. It returns the app client and the URL
// with which the broker redirects the browser to Cognito.
func (d *deployment) begin(b *browser, r registration) (appClient string, at *url.URL) {
	d.tb().Helper()
	a := d.send(b.Client, "GET", r.authorizePath(), nil, "")
	at, err := url.Parse(a.Header.Get("Location"))
	if a.Status != http.StatusSeeOther || err != nil || at.Scheme+"://"+at.Host != d.pool {
		d.tb().Fatalf("GET /authorize = %d to %s (%v) %s, want 303 to Cognito", a.Status, at, err, a.Body)
	}
	if q := at.Query(); q.Get("resource") != cmp.Or(r.resource, mcpServer) || q.Get("prompt") != "login" {
		d.tb().Errorf("Cognito gets resource %q and prompt %q, want the ones in the request", q.Get("resource"), q.Get("prompt"))
	}
	return at.Query().Get("client_id"), at
}

// consent signs the user in at Cognito, allows the client on the consent page,
// and returns the parameters of the authorization response.
func (d *deployment) consent(b *browser, r registration, at *url.URL) url.Values {
	t := d.tb()
	t.Helper()
	back, err := b.pool.SignIn(t.Context(), at.String(), username, password)
	if err != nil {
		t.Fatal(err)
	}
	d.secrets = append(d.secrets, back.Query().Get("code"))
	a := d.send(b.Client, "GET", back.RequestURI(), nil, "")
	page := a.Header.Get("Location")
	if a.Status != http.StatusSeeOther || !strings.HasPrefix(page, "/consent?transaction=") {
		t.Fatalf("GET /callback = %d to %q %s, want 303 to the consent page", a.Status, page, a.Body)
	}
	for range 2 { // the page can be reloaded
		a = d.send(b.Client, "GET", page, nil, "")
	}
	m := csrfField.FindSubmatch(a.Body)
	if a.Status != http.StatusOK || m == nil || !strings.Contains(string(a.Body), "Read your notes") {
		t.Fatalf("GET /consent = %d %s, want the page with its form", a.Status, a.Body)
	}
	a = d.send(b.Client, "POST", "/authorize", url.Values{"transaction": {strings.TrimPrefix(page, "/consent?transaction=")}, "csrf": {string(m[1])}, "decision": {"allow"}}, "")
	to, err := refreshTarget(a)
	if err != nil || !strings.HasPrefix(to.String(), r.redirectURI+"?") {
		t.Fatalf("POST /authorize leads to %v (%v), want the redirect URI", to, err)
	}
	got := to.Query()
	if got.Get("state") != clientState || got.Get("iss") != d.issuer || !strings.HasPrefix(got.Get("code"), "dcr_ac_") {
		t.Errorf("the client gets %q, want a code of the broker, its state and the issuer", got)
	}
	d.secrets = append(d.secrets, got.Get("code"), string(m[1]))
	return got
}

// token sends a request to the token endpoint.
func (d *deployment) token(r registration, status int, form url.Values) map[string]any {
	d.tb().Helper()
	authorization := ""
	if r.secret == "" {
		form.Set("client_id", r.id)
	} else {
		authorization = basic(r.id, r.secret)
	}
	return d.call("POST", "/token", form, authorization, status)
}

func basic(id, secret string) string {
	req := http.Request{Header: make(http.Header)}
	req.SetBasicAuth(id, secret)
	return req.Header.Get("Authorization")
}

// tokens redeems a code.
func (d *deployment) tokens(r registration, code string) map[string]any {
	d.tb().Helper()
	return d.token(r, http.StatusOK, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {r.redirectURI}, "code_verifier": {verifier}})
}

// active introspects an access token as the MCP server does.
func (d *deployment) active(accessToken string) bool {
	d.tb().Helper()
	return d.activeFor(introspectionID, accessToken)
}

// activeFor introspects an access token as the MCP server with this id does.
func (d *deployment) activeFor(id, accessToken string) bool {
	d.tb().Helper()
	got := d.call("POST", "/introspect", url.Values{"token": {accessToken}}, basic(id, introspectionSecret), http.StatusOK)
	active, _ := got["active"].(bool)
	return active
}

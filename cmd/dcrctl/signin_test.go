package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/internal/tool/signin"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	wireauthorize "github.com/dcr-broker/dcr-broker/internal/wire/authorize"
	wireprovision "github.com/dcr-broker/dcr-broker/internal/wire/provision"
	wireregister "github.com/dcr-broker/dcr-broker/internal/wire/register"
	wiretoken "github.com/dcr-broker/dcr-broker/internal/wire/token"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// process is a broker that runs while a script does: the functions register,
// authorize, token and provision, wired as on Lambda.
type process struct {
	handler http.Handler
	// ahead is how far its clock is ahead.
	ahead time.Duration
}

// process returns the broker of the script's deployment, and starts it first.
func (w *world) process(ts *testscript.TestScript) *process {
	if w.running != nil {
		return w.running
	}
	p := new(process)
	now := func() time.Time { return time.Now().Add(p.ahead) }
	env := getenv(ts)
	c, err := environment.All(func(name string) string {
		if name == "PROVISION_FUNCTION" {
			return "in this process"
		}
		return env(name)
	})
	ts.Check(err)
	sdk, err := awsconfig.LoadDefaultConfig(context.Background(), awsconfig.WithRegion("us-east-1"))
	ts.Check(err)
	log := slog.New(slog.DiscardHandler)
	parts, err := wire.New(c, sdk, log)
	ts.Check(err)
	parts.Now = now
	parts.Configuration = wire.Pinned(wire.Configuration(c, wire.Table(c, sdk).Configuration(), now, log).Get)
	parts.Provisioner, err = wireprovision.New(parts)
	ts.Check(err)
	router := httpapi.NewRouter(log)
	for _, routes := range []func(*httpapi.Router, *wire.Parts) error{wireregister.Routes, wireauthorize.Routes, wiretoken.Routes} {
		ts.Check(routes(router, parts))
	}
	p.handler, w.running = wire.PinEach(router), p
	return p
}

// RoundTrip sends requests to the broker and to Cognito, which have no address
// in a script.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	handler := http.Handler(w.pool)
	if r.URL.Host == "auth.example.com" {
		handler = w.running.handler
	}
	sent := r.Clone(r.Context())
	sent.Host, sent.RequestURI = r.URL.Host, r.URL.RequestURI()
	rec := httptest.NewRecorder()
	handler.ServeHTTP(rec, sent)
	resp := rec.Result()
	resp.Request = r
	return resp, nil
}

// signin RESOURCE SCOPE: a minute later, a client registers openly and signs a
// user in for the resource. Its access token must be for that resource and have
// that scope.
func signInAt(ts *testscript.TestScript, _ bool, args []string) {
	w := ts.Value(worldKey{}).(*world)
	p := w.process(ts)
	p.ahead += time.Minute
	const callback, verifier = "http://localhost:4000/callback", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	var client struct {
		ID string `json:"client_id"`
	}
	w.post(ts, "/register", "application/json", `{"client_name":"Two servers","redirect_uris":["`+callback+`"],"token_endpoint_auth_method":"none"}`, &client)
	page := "https://auth.example.com/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {client.ID}, "redirect_uri": {callback}, "scope": {args[1]}, "resource": {args[0]}, "state": {"s"},
		"code_challenge": {broker.PKCEChallenge(verifier)}, "code_challenge_method": {"S256"},
	}.Encode()
	browser := &signin.Browser{Transport: w, Username: "ada@example.com", Password: "Correct-horse-1"}
	back, err := browser.Visit(context.Background(), page, callback)
	ts.Check(err)
	var answer struct {
		AccessToken string `json:"access_token"`
		Scope       string `json:"scope"`
	}
	w.post(ts, "/token", "application/x-www-form-urlencoded", url.Values{
		"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "client_id": {client.ID}, "redirect_uri": {callback},
		"code_verifier": {verifier}, "resource": {args[0]},
	}.Encode(), &answer)
	parts := strings.Split(answer.AccessToken, ".")
	if len(parts) != 3 {
		ts.Fatalf("the access token is no JWT; the redirect was to %s", back)
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	ts.Check(err)
	var claims struct {
		Audience string `json:"aud"`
		Scope    string `json:"scope"`
	}
	ts.Check(json.Unmarshal(body, &claims))
	has := slices.DeleteFunc(strings.Fields(claims.Scope), func(s string) bool { return s == broker.ScopeOpenID })
	if claims.Audience != args[0] || !slices.Equal(has, []string{args[1]}) || answer.Scope != args[1] {
		ts.Fatalf("the access token is for %q with %q, and the answer has %q; want %s with %s", claims.Audience, claims.Scope, answer.Scope, args[0], args[1])
	}
}

// post sends a request of a client and decodes the answer.
func (w *world) post(ts *testscript.TestScript, path, contentType, body string, v any) {
	r, err := http.NewRequest(http.MethodPost, "https://auth.example.com"+path, strings.NewReader(body))
	ts.Check(err)
	r.Header.Set("Content-Type", contentType)
	resp, err := w.RoundTrip(r)
	ts.Check(err)
	text, err := io.ReadAll(resp.Body)
	ts.Check(err)
	if resp.StatusCode > 299 {
		ts.Fatalf("POST %s: %s %s", path, resp.Status, text)
	}
	ts.Check(json.Unmarshal(text, v))
}

package walk

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/tool/devstack"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// tampering is a transport that changes answers.
type tampering struct {
	address string // the end of the path
	// edit gets the object if the answer is JSON, and nil if it is not.
	edit func(*http.Response, map[string]any)
}

func (tm *tampering) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil || !strings.HasSuffix(req.URL.Path, tm.address) {
		return res, err
	}
	body := takeBody(&res.Body)
	var object map[string]any
	if t, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); t == "application/json" {
		if err := json.Unmarshal([]byte(body), &object); err != nil {
			return nil, err
		}
	}
	res.Body = io.NopCloser(strings.NewReader(body))
	tm.edit(res, object)
	body = takeBody(&res.Body)
	if object != nil {
		edited, err := json.Marshal(object)
		if err != nil {
			return nil, err
		}
		body = string(edited)
	}
	res.Body = io.NopCloser(strings.NewReader(body))
	res.ContentLength = int64(len(body))
	return res, nil
}

// Each check of the walk can fail.
func TestWalkStopsAtTheStepThatFails(t *testing.T) {
	for _, mode := range modes {
		t.Run(string(mode), func(t *testing.T) { t.Parallel(); testWalkStops(t, mode) })
	}
}

type tampered struct {
	name    string
	address string
	edit    func(*http.Response, map[string]any)
	want    string // in the error
}

const (
	prm      = "/.well-known/oauth-protected-resource/mcp"
	metadata = "/.well-known/oauth-authorization-server"
)

func set(name string, value any) func(*http.Response, map[string]any) {
	return func(_ *http.Response, o map[string]any) { o[name] = value }
}

func without(name string) func(*http.Response, map[string]any) {
	return func(_ *http.Response, o map[string]any) { delete(o, name) }
}

func status(code int) func(*http.Response, map[string]any) {
	return func(r *http.Response, _ map[string]any) { r.StatusCode, r.Status = code, http.StatusText(code) }
}

func header(name, value string) func(*http.Response, map[string]any) {
	return func(r *http.Response, _ map[string]any) { r.Header.Set(name, value) }
}

// forbidden changes the challenge in answers with status 403.
func forbidden(old, new string) func(*http.Response, map[string]any) {
	return func(r *http.Response, _ map[string]any) {
		if c := r.Header.Get("WWW-Authenticate"); r.StatusCode == http.StatusForbidden {
			r.Header.Set("WWW-Authenticate", strings.Replace(c, old, new, 1))
		}
	}
}

func redirected(old, new string) func(*http.Response, map[string]any) {
	return func(r *http.Response, _ map[string]any) {
		r.Header.Set("Location", regexp.MustCompile(old).ReplaceAllString(r.Header.Get("Location"), new))
	}
}

func page(old, new string) func(*http.Response, map[string]any) {
	return func(r *http.Response, _ map[string]any) {
		html := regexp.MustCompile(old).ReplaceAllString(takeBody(&r.Body), new)
		r.Body = io.NopCloser(strings.NewReader(html))
	}
}

// tamperedInBothModes are changes to answers that both modes have.
func tamperedInBothModes(s *devstack.Stack) []tampered {
	return []tampered{
		{"no challenge", "/mcp", func(r *http.Response, _ map[string]any) { r.Header.Del("WWW-Authenticate") }, "step 1 "},
		{"challenge without metadata", "/mcp", header("WWW-Authenticate", `Bearer scope="mcp/read"`), "names no resource_metadata"},
		{"challenge with an error", "/mcp", header("WWW-Authenticate", `Bearer error="invalid_token", resource_metadata="`+prm+`"`), "step 1 "},
		{"another resource", prm, set("resource", s.MCP+"/"), "step 2 "},
		{"no authorization server", prm, set("authorization_servers", []string{}), "authorization_servers is empty"},
		{"no resource metadata", prm, status(404), "step 2 "},
		{"issuer with a slash", metadata, set("issuer", s.Issuer+"/"), "step 3 "}, // which the SDK tolerates
		{"Cognito's issuer", metadata, set("issuer", s.Cognito), "issuer is"},
		{"no PKCE", metadata, without("code_challenge_methods_supported"), "code_challenge_methods_supported"},
		{"no public clients", metadata, set("token_endpoint_auth_methods_supported", []string{"client_secret_basic"}), "token_endpoint_auth_methods_supported"},
		{"no registration", metadata, without("registration_endpoint"), "registration_endpoint is missing"},
		{"metadata not JSON", metadata, header("Content-Type", "text/html"), `Content-Type "text/html"`},
		{"registered with 200", "/register", status(200), "step 4 "},
		{"registration rejected", "/register", status(401), "step 4 "},
		{"another method registered", "/register", set("token_endpoint_auth_method", "client_secret_basic"), "token_endpoint_auth_method is"},
		{"redirect URI not echoed", "/register", without("redirect_uris"), "redirect_uris is"},
		{"a secret for a public client", "/register", set("client_secret", "s"), "a public client got a client_secret"},
		{"registration may be cached", "/register", header("Cache-Control", "public"), "Cache-Control"},
		{"another client id", "/register", set("client_id", "elsewhere"), "step 6 "}, // the broker shows a page: unknown client
		{"no scope in the answer", "/token", without("scope"), "scope is"},
		{"no refresh token", "/token", without("refresh_token"), "refresh_token is missing"},
		{"insufficient scope without its error code", "/mcp", forbidden(`error="insufficient_scope", `, ""), "error is"},
		{"insufficient scope, but nothing missing", "/mcp", forbidden(`scope="mcp/read mcp/write"`, `scope="mcp/read"`), "want one that the token does not have"},
		{"insufficient scope at another resource", "/mcp", forbidden(prm, prm+"2"), "resource_metadata is"},
		{"the same scope again", "/token", func(_ *http.Response, o map[string]any) {
			if scope, _ := o["scope"].(string); strings.Contains(scope, "mcp/write") {
				o["scope"] = "mcp/read"
			}
		}, "(Exchange the code for tokens): scope is"},
		{"no challenge for the scope", "/mcp", func(r *http.Response, _ map[string]any) {
			if r.StatusCode == http.StatusForbidden {
				r.StatusCode, r.Status = http.StatusNotFound, "404 Not Found"
			}
		}, "which needs a scope that the token lacks"},
		{"token may be cached", "/token", header("Cache-Control", ""), "Cache-Control"},
	}
}

var tamperedDirect = []tampered{
	{"another state", "/login", redirected(`([?&]state=)[^&]*`, "${1}evil"), "state is"},
	{"no code", "/login", redirected(`([?&])code=[^&]*`, "${1}error=access_denied"), "code is missing"},
	{"another issuer", "/login", redirected(`$`, "&iss=https%3A%2F%2Fevil.example"), "iss is"},
	{"iss announced in direct mode", metadata, set("authorization_response_iss_parameter_supported", true), "authorization_endpoint is"},
	{"token rejected", "/token", status(401), "step 8 "},
	{"another token", "/token", set("access_token", "abc"), "step 9 "},
	{"registration_client_uri without a token", "/register", without("registration_access_token"), "only one of"},
}

// The answer to the decision is a page that redirects to the client.
var tamperedBrokered = []tampered{
	{"Cognito's authorization endpoint", metadata, set("authorization_endpoint", "https://example.auth.us-east-1.amazoncognito.com/oauth2/authorize"), "authorization_endpoint is"},
	{"iss not announced", metadata, without("authorization_response_iss_parameter_supported"), "there is a consent page"},
	{"registration_client_uri of a shared client", "/register", func(_ *http.Response, o map[string]any) {
		o["registration_client_uri"], o["registration_access_token"] = "http://localhost:1/register/x", "dcr_rat_x"
	}, "registration_client_uri is present"},
	{"another state at the callback", "/login", redirected(`([?&]state=)[^&]*`, "${1}evil"), "This browser does not know this sign-in"},
	{"consent page without the client's name", "/consent", page("Walk through the broker", "Claude"), "does not name the client"},
	{"consent page without the user", "/consent", page("alice", "mallory"), "step 7 "},
	{"consent page of another browser", "/consent", page(`(name="csrf"\s+value=")[^"]*`, "${1}evil"), "This page has expired"},
	{"no consent page", "/authorize", func(r *http.Response, _ map[string]any) {
		r.Header.Set("Location", r.Request.URL.Query().Get("redirect_uri")+"?code=a")
	}, "there was no consent page"},
	{"another state", "/authorize", page(`([?;]state=)[^&"]*`, "${1}evil"), "state is"},
	{"no code", "/authorize", page(`([?;])code=[^&"]*`, "${1}error=access_denied"), "code is missing"},
	{"another issuer", "/authorize", page(`([?;]iss=)[^&"]*`, "${1}https%3A%2F%2Fevil.example"), "iss is"},
	{"no issuer", "/authorize", page(`([?;])iss=`, "${1}was="), "iss is"},
	{"token rejected", "/token", status(401), "step 9 "},
	{"Cognito's refresh token", "/token", set("refresh_token", "eyJjdHkiOiJKV1Qi"), "refresh_token is not the broker's own"},
	{"an ID token", "/token", set("id_token", "eyJhbGciOiJub25lIn0.e30."), "id_token is present"},
	{"another token", "/token", set("access_token", "abc"), "step 10 "},
}

func testWalkStops(t *testing.T, mode broker.Mode) {
	s := startStack(t, mode)
	tests := append(tamperedInBothModes(s), map[broker.Mode][]tampered{
		broker.ModeDirect: tamperedDirect, broker.ModeBrokered: tamperedBrokered,
	}[mode]...)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			_, err := runOver(t.Context(), &tampering{tt.address, tt.edit}, &out, options(s))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("the walk's error = %v, want one with %q\n%s", err, tt.want, out.String())
			}
			if !strings.HasSuffix(out.String(), "FAILED\n") {
				t.Errorf("the report does not end with FAILED:\n%s", out.String())
			}
		})
	}
}

package e2e

import (
	"encoding/json"
	"net/url"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// fixedScopes are the scopes that clients request whatever the metadata of a
// server says.
var fixedScopes = []struct{ client, scope string }{
	{"Kiro CLI", "openid email offline_access"},
	{"Amazon Q CLI", "openid email profile offline_access"},
	{"Cline", "openid"},
	{"n8n", "openid"},
	{"mcp-remote", "openid email profile"},
	{"mcporter", "mcp:tools"},
}

// Clients with fixed scopes register and connect. They get what a request without
// scope gets, and the token response says what that is.
func TestClientsWithFixedScopes(t *testing.T) {
	each(t, testClientsWithFixedScopes, broker.ModeBrokered)
}

func testClientsWithFixedScopes(t *testing.T, d *deployment) {
	d.needsUser(t)
	r := d.register(t, publicClient)
	want := d.exchange(t, d.authorize(t, d.browser(), d.request(r.id)).Get("code"), r.id).member("scope")
	if want == "" {
		t.Fatal("a request without scope gets a token without scope")
	}
	for _, tt := range fixedScopes {
		t.Run(tt.client, func(t *testing.T) {
			body, err := json.Marshal(map[string]any{
				"client_name": tt.client, "redirect_uris": []string{redirectURI}, "token_endpoint_auth_method": "none", "scope": tt.scope,
			})
			if err != nil {
				t.Fatal(err)
			}
			r := d.register(t, string(body))
			q := d.request(r.id)
			q.Set("scope", tt.scope)
			if got := d.exchange(t, d.authorize(t, d.browser(), q).Get("code"), r.id).member("scope"); got != want {
				t.Errorf("scope of the token response = %q, want %q, as without scope", got, want)
			}
		})
	}
}

// The same holds for registrations with an initial access token: no client is
// registered that can do nothing.
func TestRegistrationsWithFixedScopes(t *testing.T) {
	each(t, testRegistrationsWithFixedScopes, broker.ModeBrokered)
}

func testRegistrationsWithFixedScopes(t *testing.T, d *deployment) {
	d.needsInitialAccessToken(t)
	token := bearer(d.initialAccessToken)
	want := d.register(t, publicClient, token).member("scope")
	for _, tt := range fixedScopes {
		r := d.register(t, `{"redirect_uris":["`+redirectURI+`"],"scope":"`+tt.scope+`"}`, token)
		if got := r.member("scope"); got != want || got == "" {
			t.Errorf("%s: registered scope = %q, want %q, as without scope", tt.client, got, want)
		}
	}
}

// A refresh adds no scope to what the user granted. Scopes that do not exist do not
// spoil it.
func TestScopesOfARefresh(t *testing.T) { each(t, testScopesOfARefresh, broker.ModeBrokered) }

func testScopesOfARefresh(t *testing.T, d *deployment) {
	d.needsUser(t)
	if d.stack == nil {
		t.Skip("not run: needs the scopes of the local stack, without E2E_BASE_URL")
	}
	r := d.register(t, publicClient)
	q := d.request(r.id)
	q.Set("scope", "mcp/read")
	token := d.exchange(t, d.authorize(t, d.browser(), q).Get("code"), r.id).member("refresh_token")
	refresh := func(scope string) answer {
		t.Helper()
		return d.send(t, "POST /token", "grant_type=refresh_token&client_id="+r.id+"&refresh_token="+token+"&scope="+url.QueryEscape(scope), formBody)
	}
	wantError(t, "a refresh for a scope that was not granted", refresh("mcp/read mcp/write"), 400, "invalid_scope")
	if a := refresh("openid email offline_access"); a.status != 200 || a.member("scope") != "mcp/read" {
		t.Errorf("a refresh with fixed scopes = %d, scope %q, want 200 with mcp/read", a.status, a.member("scope"))
	}
}

// exchange redeems a code of a client with publicClient's redirect URI.
func (d *deployment) exchange(t *testing.T, code, clientID string) answer {
	t.Helper()
	form := "grant_type=authorization_code&code=" + code + "&code_verifier=" + anyVerifier + "&redirect_uri=" + redirectURI + "&client_id=" + clientID
	a := d.send(t, "POST /token", form, formBody)
	if a.status != 200 {
		t.Fatalf("POST /token = %d %s, want 200", a.status, a.body)
	}
	return a
}

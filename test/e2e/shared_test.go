package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// Registrations with the same metadata get the same client id, whatever the
// order of the redirect URIs and the loopback ports.
func TestOpenRegistrationsAreDeduplicated(t *testing.T) {
	each(t, testOpenRegistrationsAreDeduplicated, broker.ModeBrokered)
}

func testOpenRegistrationsAreDeduplicated(t *testing.T, d *deployment) {
	body := func(name string, uris ...string) string {
		return fmt.Sprintf(`{"client_name":%q,"redirect_uris":["%s"],"token_endpoint_auth_method":"none"}`, name, strings.Join(uris, `","`))
	}
	const loopback, claude = "http://127.0.0.1:33418/callback", "https://claude.ai/api/mcp/auth_callback"
	first := d.register(t, body("e2e, the same", loopback, claude))
	for _, tt := range []struct {
		name, body string
		same       bool
	}{
		{"the same", body("e2e, the same", loopback, claude), true},
		{"another port", body("e2e, the same", "http://127.0.0.1:40001/callback", claude), true},
		{"no port", body("e2e, the same", "http://127.0.0.1/callback", claude), true},
		{"another order", body("e2e, the same", claude, loopback), true},
		{"twice", body("e2e, the same", claude, loopback, loopback), true},
		{"with a secret, which it does not get", strings.Replace(body("e2e, the same", loopback, claude), `"none"`, `"client_secret_basic"`, 1), true},
		{"with an unknown member", strings.Replace(body("e2e, the same", loopback, claude), `{`, `{"unknown":1,`, 1), true},

		{"another name", body("e2e, another", loopback, claude), false},
		{"another path", body("e2e, the same", "http://127.0.0.1:33418/other", claude), false},
		// Loopback hosts are not interchangeable (RFC 8252 §8.3).
		{"another loopback host", body("e2e, the same", "http://localhost:33418/callback", claude), false},
		{"without one of the redirect URIs", body("e2e, the same", loopback), false},
		{"another redirect URI", body("e2e, the same", loopback, "https://claude.com/api/mcp/auth_callback"), false},
		{"with a client_uri", strings.Replace(body("e2e, the same", loopback, claude), `{`, `{"client_uri":"https://app.example.com",`, 1), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := d.register(t, tt.body)
			if (r.id == first.id) != tt.same {
				t.Errorf("client_id = %s, want the same as the first, %s: %t", r.id, first.id, tt.same)
			}
			sent := answer{object: object(t, tt.body)}
			for _, uri := range r.list("redirect_uris") {
				if !slices.Contains(sent.list("redirect_uris"), uri) {
					t.Errorf("redirect_uris has %s, want only those of this request: %s", uri, tt.body)
				}
			}
			if first.member("client_id_issued_at") != r.member("client_id_issued_at") && tt.same {
				t.Errorf("client_id_issued_at = %s, want %s as in the first", r.member("client_id_issued_at"), first.member("client_id_issued_at"))
			}
		})
	}
}

// Concurrent first registrations get the same client id.
func TestConcurrentRegistrationsAreOneClient(t *testing.T) {
	each(t, testConcurrentRegistrationsAreOneClient, broker.ModeBrokered)
}

func testConcurrentRegistrationsAreOneClient(t *testing.T, d *deployment) {
	var ids []string
	for _, a := range d.registerAtOnce(t, 16, func(i int) string {
		return fmt.Sprintf(`{"client_name":"e2e, at once","redirect_uris":["http://127.0.0.1:%d/callback"]}`, 41000+i)
	}) {
		if a.status != http.StatusCreated {
			t.Errorf("POST /register = %d %s, want 201", a.status, a.body)
		}
		ids = append(ids, a.member("client_id"))
	}
	if ids = slices.Compact(ids); len(ids) != 1 {
		t.Errorf("client ids = %q, want one", ids)
	}
}

// With an initial access token each registration is a client of its own.
func TestEachRegistrationWithATokenIsAnotherClient(t *testing.T) {
	each(t, testEachRegistrationWithATokenIsAnotherClient)
}

func testEachRegistrationWithATokenIsAnotherClient(t *testing.T, d *deployment) {
	d.needsInitialAccessToken(t)
	token := bearer(d.initialAccessToken)
	a, b := d.register(t, `{"redirect_uris":["`+redirectURI+`"]}`, token), d.register(t, `{"redirect_uris":["`+redirectURI+`"]}`, token)
	if a.id == b.id || a.secret == b.secret || a.token == b.token {
		t.Errorf("two registrations = %s and %s, want nothing in common", a.id, b.id)
	}
	secret := `[A-Za-z0-9_+]{20,}` // Cognito's
	if d.brokered() {
		secret = `dcr_cs_[a-z2-7]{52}`
	}
	match(t, "client_secret", a.secret, secret)
}

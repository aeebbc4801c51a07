package authorize

import (
	"net/http"
	"strings"
	"testing"
)

// cognitoSays opens the callback with an answer from Cognito.
func (b *browser) cognitoSays(a answer, query string) answer {
	b.w.T.Helper()
	return b.get("/callback?state=" + a.at(b.w.T).Query().Get("state") + "&" + query)
}

func TestErrorsOfCognitoReachTheClient(t *testing.T) {
	w := newWorld(t)
	id := w.register("asking", nil, webURI)
	for _, tt := range []struct{ query, want, description string }{
		{"error=access_denied", "access_denied", ""},
		{"error=server_error&error_description=it+broke", "server_error", "it broke"},
		{"error=temporarily_unavailable", "temporarily_unavailable", ""},
		{"error=login_required", "login_required", ""},
		{"error=invalid_scope", "invalid_scope", ""},
		{"error=invalid_request&error_description=PreSignUp+failed+with+error+no.", "invalid_request", "PreSignUp failed with error no."},
		{"error=unauthorized_client", "server_error", ""}, // this code is about the broker's own app client
		{"error=%3Cscript%3E", "server_error", ""},
		{"error=access_denied&error_description=%22quoted%22%0d%0a", "access_denied", ""},
	} {
		b := w.browser()
		u := b.cognitoSays(b.authorize(requestOf(id, webURI)), tt.query).at(t)
		w.wantError(u, webURI, tt.want)
		if got := u.Query().Get("error_description"); got != tt.description {
			t.Errorf("%s: description %q, want %q", tt.query, got, tt.description)
		}
	}
	t.Run("a client without a voucher gets a link", func(t *testing.T) {
		b := w.browser()
		a := b.authorize(requestOf(w.register("open", nil, evilURI), evilURI))
		denied := b.cognitoSays(a, "error=access_denied&error_description=x")
		page := b.wantFailure(denied, http.StatusBadRequest, "access_denied")
		w.wantError(page.target(t), evilURI, "access_denied")
		wantPage(t, b.get(denied.location), http.StatusBadRequest, "access_denied") // reloaded
		b.wantFailure(b.cognitoSays(a, "error=access_denied"), http.StatusBadRequest, "")
	})
	t.Run("another browser cannot get such a page", func(t *testing.T) {
		b := w.browser()
		b.arrive(requestOf(id, webURI), "alice")
		other, _ := b.transaction()
		denied := b.cognitoSays(b.authorize(requestOf(w.register("open", nil, evilURI), evilURI)), "error=access_denied")
		for name, get := range map[string]func() answer{
			"another browser":                    func() answer { return w.browser().get(denied.location) },
			"the id of another transaction":      func() answer { return b.get("/callback?denied=access_denied&transaction=" + other) },
			"the id of no transaction":           func() answer { return b.get("/callback?denied=access_denied&transaction=x") },
			"a code that the callback never has": func() answer { return b.get(strings.Replace(denied.location, "access_denied", "nonsense", 1)) },
		} {
			a := get()
			wantPage(t, a, http.StatusBadRequest, "this sign-in has ended")
			if strings.Contains(a.body, "claude.ai") || strings.Contains(a.body, "evil") {
				t.Errorf("%s: there is a link to the client", name)
			}
		}
	})
}

// The local Cognito refuses prompt=none itself, as Cognito does.
func TestPromptNone(t *testing.T) {
	w := newWorld(t)
	id := w.register("open", nil, webURI, deskURI, appURI)
	silent := func(b *browser, uri string, changes ...string) answer {
		return b.authorize(requestOf(id, uri, append([]string{"prompt", "none"}, changes...)...))
	}
	b := w.browser()
	t.Run("no user is signed in", func(t *testing.T) {
		a := b.get(b.signIn(silent(b, webURI), "alice"))
		w.wantError(a.at(t), webURI, "login_required")
	})
	t.Run("a user is signed in and has not consented", func(t *testing.T) {
		b.arrive(requestOf(id, webURI), "alice")
		a := b.get(b.signIn(silent(b, webURI), "alice"))
		w.wantError(a.at(t), webURI, "consent_required")
		w.wantRevoked(1)
		w.wantNoGrant()
	})
	t.Run("a user has consented", func(t *testing.T) {
		a := b.decide(b.arrive(requestOf(id, webURI), "alice"), "allow")
		w.wantCode(a.target(t), webURI)
		a = b.get(b.signIn(silent(b, webURI), "alice"))
		w.wantCode(a.at(t), webURI)
	})
	t.Run("never for a program on the device", func(t *testing.T) {
		a := b.decide(b.arrive(requestOf(id, "http://127.0.0.1:4000/callback"), "alice"), "allow")
		w.wantCode(a.target(t), "http://127.0.0.1:4000/callback")
		w.wantError(silent(b, "http://127.0.0.1:4000/callback").at(t), "http://127.0.0.1:4000/callback", "consent_required")
		w.wantError(silent(b, appURI).target(t), appURI, "consent_required")
	})
	t.Run("never on the classic pages", func(t *testing.T) {
		w := newWorld(t, func(s *setup) { s.login = 1 })
		id := w.register("open", nil, webURI)
		a := w.browser().authorize(requestOf(id, webURI, "prompt", "none"))
		w.wantError(a.at(t), webURI, "login_required")
	})
	t.Run("a host without a voucher gets a link", func(t *testing.T) {
		id := w.register("open", nil, evilURI)
		a := b.get(b.signIn(b.authorize(requestOf(id, evilURI, "prompt", "none")), "alice"))
		page := b.wantFailure(a, http.StatusBadRequest, "consent_required")
		w.wantError(page.target(t), evilURI, "consent_required")
	})
	t.Run("a user who may not consent", func(t *testing.T) {
		id := w.register("staff", nil, webURI)
		b := w.browser()
		b.arrive(requestOf(w.register("open", nil, webURI), webURI), "bob")
		a := b.get(b.signIn(b.authorize(requestOf(id, webURI, "prompt", "none")), "bob"))
		w.wantError(a.at(t), webURI, "access_denied")
	})
}

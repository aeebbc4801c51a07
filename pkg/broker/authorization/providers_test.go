package authorization

import (
	"net/url"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
)

// withProviders lets only accounts of these identity providers consent.
func (w *world) withProviders(providers string) {
	w.t.Helper()
	restricted := strings.Replace(document, `"app_client": "shared"`, `"app_client": "shared", "consent": "remember", "users": {"identity_providers": [`+providers+`]}`, 1)
	var err error
	if w.conf, err = configuration.Parse([]byte(restricted), broker.Deployment{Mode: broker.ModeBrokered, Issuer: issuer, LoginVersion: 2}); err != nil {
		w.t.Fatal(err)
	}
	if w.flow, err = New(w.config()); err != nil {
		w.t.Fatal(err)
	}
}

// An account must have no other way to sign in than those of the profile. Cognito
// may have signed the user in through another app client, where a password was
// enough.
func TestUsersOfOtherIdentityProvidersAreRefused(t *testing.T) {
	okta := []any{map[string]any{"providerName": "Okta", "userId": "00u1", "primary": "true"}}
	both := append(okta, map[string]any{"providerName": "Google", "userId": "109"})
	for _, tt := range []struct {
		name    string
		account map[string]any
		refused bool
	}{
		{"a federated user", map[string]any{"cognito:username": "okta_00u1", "identities": okta}, false},
		{"a local user", nil, true},
		{"a linked local user, who has a password", map[string]any{"cognito:username": "alice", "identities": okta}, true},
		{"a federated user who is linked to another provider", map[string]any{"cognito:username": "okta_00u1", "identities": both}, true},
		{"identities that cannot be read", map[string]any{"cognito:username": "okta_00u1", "identities": "?"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.account = tt.account
			w.withProviders(`"Okta"`)
			s := w.begin()
			if to, err := w.flow.SignedIn(t.Context(), s, callback(s)); to != "" || err != nil {
				t.Fatalf("SignedIn = %q, %v, want the consent page", to, err)
			}
			_, err := w.flow.Ask(t.Context(), s)
			if tt.refused {
				wantProblem(t, err, OtherProvider, "identity provider")
			} else if err != nil {
				t.Errorf("Ask: %v", err)
			}
			// An attacker can send the form without the page.
			_, err = w.flow.Decide(t.Context(), s, Allow, s.csrf())
			if tt.refused {
				wantProblem(t, err, OtherProvider, "identity provider")
			} else if err != nil {
				t.Errorf("Decide: %v", err)
			}
			if n := w.grants(); (n == 0) != tt.refused {
				t.Errorf("%d grants, refused = %t", n, tt.refused)
			}
		})
	}
}

// A consent from the time before the rule does not admit the user.
func TestARememberedConsentDoesNotAdmitAnAccount(t *testing.T) {
	w := newWorld(t)
	w.withProviders(`"COGNITO"`)
	s := w.begin()
	if _, err := w.flow.SignedIn(t.Context(), s, callback(s)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.flow.Decide(t.Context(), s, Allow, s.csrf()); err != nil {
		t.Fatal(err)
	}
	w.withProviders(`"Okta"`)
	s = w.begin()
	to, err := w.flow.SignedIn(t.Context(), s, callback(s))
	if to != "" || err != nil || w.grants() != 1 {
		t.Errorf("SignedIn = %q, %v with %d grants, want the page and the grant from before", to, err, w.grants())
	}
}

// If there is one identity provider, Cognito's page does not offer a choice.
func TestTheOnlyIdentityProviderIsRequestedAtCognito(t *testing.T) {
	for _, tt := range []struct{ providers, want string }{
		{`"Okta"`, "Okta"}, {`"COGNITO"`, "COGNITO"}, {`"Okta", "Entra"`, ""},
	} {
		w := newWorld(t)
		w.withProviders(tt.providers)
		started, err := w.flow.Begin(t.Context(), sent(requestOf(clientID, webURI)))
		if err != nil {
			t.Fatal(err)
		}
		resumed, err := w.flow.Resume(t.Context(), started.Secret)
		if err != nil {
			t.Fatal(err)
		}
		for _, address := range []string{started.SignInURL, resumed} {
			u, err := url.Parse(address)
			if err != nil {
				t.Fatal(err)
			}
			if got := u.Query().Get("identity_provider"); got != tt.want {
				t.Errorf("providers %s: identity_provider = %q, want %q", tt.providers, got, tt.want)
			}
		}
	}
}

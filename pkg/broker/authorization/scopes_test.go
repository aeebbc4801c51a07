package authorization

import (
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

func TestChooseScopes(t *testing.T) {
	for _, tt := range []struct{ scope, want, code string }{
		// Some are allowed.
		{"notes/write", "notes/write", ""},
		{"notes/write  notes/read notes/write", "notes/write notes/read", ""},
		{"notes/read offline_access nonsense", "notes/read", ""},
		{"notes/read files/read", "notes/read", ""},  // registered, but of another resource
		{"notes/read notes/admin", "notes/read", ""}, // of the resource, but not registered
		{"openid email notes/read", "openid notes/read", ""},

		// None is allowed and none is known: the default, without the scopes that the
		// resource does not have.
		{"-", "openid notes/read", ""},
		{" ", "openid notes/read", ""},
		{"nonsense", "openid notes/read", ""},
		{"openid", "openid notes/read", ""}, // allowed, but alone of no use
		{"openid offline_access", "openid notes/read", ""},
		{"openid phone offline_access", "openid notes/read", ""}, // no profile has phone
		{"notes/readx NOTES/READ notes/* * notes/read,notes/write", "openid notes/read", ""},

		// None is allowed but one is known.
		{"files/read", "", "invalid_scope"},
		{"notes/admin", "", "invalid_scope"},
		{"nonsense notes/admin", "", "invalid_scope"},
		{"openid email", "", "invalid_scope"},
	} {
		req, code := parse(oneResource(), nil, "scope", tt.scope)
		if got := strings.Join(req.scopes, " "); got != tt.want || code != tt.code {
			t.Errorf("scope %q grants %q (%s), want %q (%s)", tt.scope, got, code, tt.want, tt.code)
		}
	}
}

func TestAnEmptyDefaultIsInvalidScope(t *testing.T) {
	for _, tt := range []struct {
		name           string
		defaults, has  []string // of the profile, of the resource
		scope, granted string
	}{
		{"the resource has none of the defaults", []string{"notes/read"}, []string{"notes/write"}, "-", ""},
		{"the same for an unknown scope", []string{"notes/read"}, []string{"notes/write"}, "openid nonsense", ""},
		{"only openid is left", []string{"openid", "notes/read"}, []string{"openid", "notes/write"}, "-", ""},
		{"the profile has no other default than openid", []string{"openid"}, []string{"openid"}, "-", "openid"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := oneResource()
			l.scopes.defaults, l.resources = tt.defaults, []broker.Resource{{URL: notes, Scopes: tt.has}}
			code := "invalid_scope"
			if tt.granted != "" {
				code = ""
			}
			req, got := parse(l, nil, "scope", tt.scope)
			if scopes := strings.Join(req.scopes, " "); got != code || scopes != tt.granted {
				t.Errorf("granted %q, error %q, want %q, %q", scopes, got, tt.granted, code)
			}
		})
	}
}

// A Lambda trigger of the user pool can remove scopes from the access token. openid
// alone is no grant for a client that requested more.
func TestScopesThatTheUserPoolRemoved(t *testing.T) {
	for _, tt := range []struct{ scope, granted string }{
		{"openid notes/read", "openid notes/read"}, {"notes/read", "notes/read"}, {"openid", ""}, {"notes/write", ""},
	} {
		w := newWorld(t)
		w.scope = tt.scope
		var err error
		if w.flow, err = New(w.config()); err != nil {
			t.Fatal(err)
		}
		started, err := w.flow.Begin(t.Context(), sent(requestOf(clientID, webURI, "scope", "openid notes/read")))
		if err != nil {
			t.Fatal(err)
		}
		s := started.Secret
		_, err = w.flow.SignedIn(t.Context(), s, callback(s))
		if d, ok := err.(*Denial); tt.granted == "" && (!ok || d.Refusal.Code != broker.InvalidScope) {
			t.Errorf("token with %q: %v, want invalid_scope", tt.scope, err)
		}
		if tt.granted == "" {
			continue
		}
		if q, err := w.flow.Ask(t.Context(), s); err != nil || strings.Join(q.Scopes, " ") != tt.granted {
			t.Errorf("token with %q: the page has %q, %v, want %q", tt.scope, q.Scopes, err, tt.granted)
		}
	}
}

package authorize

import (
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// narrow is the change of a registration that has only some of the scopes of its
// profile.
func narrow(scope string) func(*broker.Registration) {
	return func(r *broker.Registration) { r.Metadata.Scope = scope }
}

// RFC 6749 §3.3: what is granted may be less than what is requested, or a default.
// The user and the client are told what it is.
func TestTheScopesOfARequest(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		name, registered, scope, granted string // no scope granted: invalid_scope
	}{
		{"some are allowed", "openid notes/read notes/write", "notes/read email nonsense", "notes/read"},
		{"none is known", "openid notes/read notes/write", "openid offline_access nonsense", "notes/read"},
		{"no scope", "openid notes/read notes/write", "-", "notes/read"},
		{"one is known, and not registered", "openid notes/read", "notes/write", ""},
		{"one is known, and of another resource", "openid notes/read files/read", "files/read", ""},
		{"the default is not registered", "openid notes/write", "openid", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			id := w.register("narrow", narrow(tt.registered), webURI)
			request := requestOf(id, webURI, "scope", tt.scope)
			b := w.browser()
			if tt.granted == "" {
				w.wantError(b.authorize(request).at(t), webURI, "invalid_scope")
				return
			}
			page := b.arrive(request, "alice")
			if got := scopesOn(page); got != tt.granted {
				t.Errorf("the page has the scopes %q, want %q", got, tt.granted)
			}
			g := w.wantCode(b.decide(page, "allow").target(t), webURI)
			if got := broker.PublicScopes(g.Scopes); got != tt.granted {
				t.Errorf("the grant has the scopes %q, want %q", got, tt.granted)
			}
		})
	}
}

// scopesOn returns the scopes of the world that a consent page lists.
func scopesOn(page answer) string {
	descriptions := map[string]string{"notes/read": "Read your notes"} // as in world.endpoint
	return strings.Join(slices.DeleteFunc(slices.Clone(allScopes), func(s string) bool {
		text := descriptions[s]
		return !strings.Contains(main(page.body), ">"+s+"<") && (text == "" || !strings.Contains(main(page.body), text))
	}), " ")
}

// An MCP server that wants another scope sends the client here. If that led to a
// grant of other scopes, the client would come back for ever. The grant that the
// client has stays.
func TestARefusedStepUp(t *testing.T) {
	w := newWorld(t)
	id := w.register("narrow", narrow("openid notes/read"), webURI)
	g := w.wantCode(w.allow(requestOf(id, webURI), "alice"), webURI)
	for _, scope := range []string{"notes/write", "openid notes/write offline_access"} {
		w.wantError(w.browser().authorize(requestOf(id, webURI, "scope", scope)).at(t), webURI, "invalid_scope")
	}
	found, err := w.Store.Grant(t.Context(), g.ID)
	if err != nil || !found.EndedAt.IsZero() || len(w.AllGrants()) != 1 {
		t.Errorf("the first grant: %v, %v, and there are %d grants; want it alone and not ended", found, err, len(w.AllGrants()))
	}
}

// A request without known scopes is granted the default, which may be more than
// the user has allowed before.
func TestADefaultNeedsAConsentThatCoversIt(t *testing.T) {
	w := newWorld(t)
	id := w.register("open", nil, webURI)
	w.wantCode(w.allow(requestOf(id, webURI, "scope", "notes/read"), "alice"), webURI)
	if w.browser().signInAgain(id, webURI, "alice", "scope", "notes/read") {
		t.Error("notes/read again: a consent page, want none")
	}
	b := w.browser()
	page := b.arrive(requestOf(id, webURI, "scope", "openid offline_access"), "alice")
	if got, want := scopesOn(page), "email notes/read notes/write"; got != want {
		t.Errorf("the page has the scopes %q, want %q", got, want)
	}
	w.wantCode(b.decide(page, "allow").target(t), webURI)
	if w.browser().signInAgain(id, webURI, "alice", "scope", "openid offline_access") {
		t.Error("the default again: a consent page, want none")
	}
}

package authorization

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
)

// apply puts a configuration into force: document with these members.
func (w *world) apply(members string) {
	w.t.Helper()
	d := broker.Deployment{Mode: broker.ModeBrokered, Issuer: issuer, LoginVersion: 2}
	c, err := configuration.Parse([]byte(strings.TrimSuffix(document, "}")+members+"}"), d)
	if err != nil {
		w.t.Fatal(err)
	}
	w.conf = c
}

const (
	oneServer  = `, "protected_resources": [{"resource": "` + notes + `", "name": "Notes", "scopes": ["notes/read"]}]`
	withSlash  = `, "protected_resources": [{"resource": "` + notes + `/", "name": "My notes", "scopes": ["notes/read"]}]`
	bound      = oneServer + `, "resource_binding": true`
	shortLived = oneServer + `, "lifetimes": {"refresh_token": "2h"}`
)

// A change of the configuration is in force at the next request, also of a
// transaction that began before it.
func TestAChangedConfigurationIsInForceAtTheNextRequest(t *testing.T) {
	w := newWorld(t)
	w.apply(oneServer)
	r := sent(requestOf(clientID, webURI, "resource", notes))
	for _, step := range []struct {
		members string
		want    string
	}{{oneServer, ""}, {bound, "resource="}, {oneServer, ""}} {
		w.apply(step.members)
		started, err := w.flow.Begin(t.Context(), r)
		if err != nil || strings.Contains(started.SignInURL, "&resource=") != (step.want != "") {
			t.Errorf("with%s Cognito's URL is %s, %v, want the resource: %t", step.members, started.SignInURL, err, step.want != "")
		}
	}
	s := w.begin()
	if _, err := w.flow.SignedIn(t.Context(), s, callback(s)); err != nil {
		t.Fatal(err)
	}
	w.apply(withSlash) // the same resource with another name
	q, err := w.flow.Ask(t.Context(), s)
	if err != nil || q.Resource.Name != "My notes" {
		t.Fatalf("Ask = %+v, %v, want the resource's new name", q.Resource, err)
	}
	w.apply(shortLived)
	if _, err := w.flow.Decide(t.Context(), s, Allow, q.CSRF); err != nil {
		t.Fatal(err)
	}
	g, err := w.store.Grant(t.Context(), broker.GrantID(w.ring, "sign-in", 0))
	if err != nil {
		t.Fatal(err)
	}
	stored, err := w.store.Tokens(t.Context(), g.TokensID)
	if want := w.clock.Second().Add(2 * time.Hour); err != nil || !stored.ExpiresAt.Equal(want) {
		t.Errorf("the tokens expire at %v, %v, want %v", stored.ExpiresAt, err, want)
	}
}

// After an operator has removed a protected resource, a transaction for it ends
// without a code, and a new request is refused.
func TestARemovedResourceGetsNoNewGrant(t *testing.T) {
	const gone = "has been removed"
	for name, call := range map[string]func(*world, Secret) error{
		"SignedIn": func(w *world, s Secret) error { _, err := w.flow.SignedIn(t.Context(), s, callback(s)); return err },
		"Ask": func(w *world, s Secret) error {
			w.signIn(s)
			w.apply("")
			_, err := w.flow.Ask(t.Context(), s)
			return err
		},
		"Allow": func(w *world, s Secret) error {
			w.signIn(s)
			w.apply("")
			_, err := w.flow.Decide(t.Context(), s, Allow, s.csrf())
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.apply(oneServer)
			s := w.begin()
			if name == "SignedIn" {
				w.apply("")
			}
			wantProblem(t, call(w, s), Expired, gone)
			if n := w.grants(); n != 0 {
				t.Errorf("%d grants, want none", n)
			}
			_, err := w.flow.Begin(t.Context(), sent(requestOf(clientID, webURI, "resource", notes)))
			if d, ok := errors.AsType[*Denial](err); !ok || d.Refusal.Code != broker.InvalidTarget {
				t.Errorf("a new request = %v, want %s", err, broker.InvalidTarget)
			}
		})
	}
}

// signIn completes the sign-in of a transaction.
func (w *world) signIn(s Secret) {
	w.t.Helper()
	if _, err := w.flow.SignedIn(w.t.Context(), s, callback(s)); err != nil {
		w.t.Fatal(err)
	}
}

package token_test

import (
	"context"
	"errors"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

func TestEndGrantsOfAClient(t *testing.T) {
	s := newStack(t)
	c, other := s.public(), s.public()
	old, first := s.authorized(c)
	var kept *broker.Grant
	kept, _ = s.allow(c, s.signIn(), func(g *broker.Grant) { g.Generation = "new" })
	foreign, _ := s.authorized(other)
	e := s.ender(s.grants, s.patience(0))
	if n, err := e.EndOfClient(t.Context(), c.ClientID, "new"); err != nil || n != 1 {
		t.Errorf("EndGrants but those of the generation new = %d, %v, want 1", n, err)
	}
	s.wantOver(old.ID)
	s.as(c, "/token", refreshForm(first.text("refresh_token"))).want(400, "invalid_grant")
	for _, g := range []*broker.Grant{kept, foreign} {
		if stored, err := s.grants.Grant(t.Context(), g.ID); err != nil || !stored.EndedAt.IsZero() {
			t.Errorf("another grant has ended: %+v, %v", stored, err)
		}
	}
	if n, err := e.EndOfClient(t.Context(), c.ClientID, "new"); err != nil || n != 0 {
		t.Errorf("again = %d, %v, want nothing left to end", n, err)
	}
	if n, err := e.EndOfClient(t.Context(), c.ClientID, ""); err != nil || n != 1 {
		t.Errorf("EndGrants of all = %d, %v, want 1", n, err)
	}
	s.wantOver(kept.ID)
	if _, err := e.EndOfClient(t.Context(), other.ClientID, ""); err != nil {
		t.Error(err)
	}
	s.wantEnded(foreign.ID) // none of Cognito's tokens is good any more
}

// wantOver checks that a grant has ended and nothing is left to do.
func (s *stack) wantOver(id string) {
	s.t.Helper()
	if g, err := s.grants.Grant(s.t.Context(), id); err != nil || g.EndedAt.IsZero() || g.Standing() {
		s.t.Errorf("grant %s = %+v, %v, want it wholly ended", id, g, err)
	}
}

// One that cannot be revoked at Cognito keeps no other from it, and is revoked
// the next time.
func TestEndGrantsGoesOnAfterAFailure(t *testing.T) {
	s := newStack(t)
	c := s.public()
	a, _ := s.authorized(c)
	b, _ := s.authorized(c)
	e := s.ender(s.grants, s.patience(0))
	s.cognito.Faults().Inject("revoke", emulator.Fault{Effect: emulator.FailBefore, Times: 1})
	n, err := e.EndOfClient(t.Context(), c.ClientID, "")
	if err == nil || n != 2 {
		t.Errorf("EndGrants = %d, %v, want both ended and an error", n, err)
	}
	if n, err := e.EndOfClient(t.Context(), c.ClientID, ""); err != nil || n != 0 {
		t.Errorf("again = %d, %v, want the rest done", n, err)
	}
	for _, g := range []*broker.Grant{a, b} {
		if stored, err := s.grants.Grant(t.Context(), g.ID); err != nil || stored.Standing() {
			t.Errorf("grant %s is not wholly ended: %+v, %v", g.ID, stored, err)
		}
	}
}

func TestEndGrantsStopsWhenTheStoreFails(t *testing.T) {
	for _, method := range []string{"GrantsOf", "Grant", "ReplaceGrant"} {
		s := newStack(t)
		c := s.public()
		s.authorized(c)
		e := s.ender(s.grants, s.patience(0))
		s.grants.FailNext(method, 1, fake.NotApplied)
		if _, err := e.EndOfClient(t.Context(), c.ClientID, ""); err == nil {
			t.Errorf("%s fails: no error", method)
		}
	}
	s := newStack(t)
	c := s.public()
	s.authorized(c)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if n, err := s.ender(s.grants, s.patience(0)).EndOfClient(ctx, c.ClientID, ""); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %d, %v, want none and %v", n, err, context.Canceled)
	}
}

func TestEndGrantsOfAUser(t *testing.T) {
	s := newStack(t)
	one, two := s.public(), s.public()
	a, _ := s.authorized(one)
	b, _ := s.authorized(two)
	other, _ := s.allow(one, s.signIn(), func(g *broker.Grant) { g.User.Sub = "somebody else" })
	e := s.ender(s.grants, s.patience(0))
	if n, err := e.EndOfUser(t.Context(), a.User.Sub); err != nil || n != 2 {
		t.Errorf("EndGrantsOfUser = %d, %v, want 2", n, err)
	}
	s.wantOver(a.ID)
	s.wantOver(b.ID)
	if err := e.End(t.Context(), other.ID); err != nil {
		t.Errorf("EndGrant = %v", err)
	}
	s.wantEnded(other.ID)
	if err := e.End(t.Context(), credential.NewID()); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("End of none = %v, want ErrNotFound", err)
	}
	if n, err := e.EndOfUser(t.Context(), ""); err != nil || n != 0 {
		t.Errorf("EndGrantsOfUser of nobody = %d, %v, want none", n, err)
	}
}

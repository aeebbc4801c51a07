package simulation

import (
	"context"
	"errors"
	"sync"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// sealed is a store that remembers the tokens of Cognito that it was given.
type sealed struct {
	store
	mu     sync.Mutex
	grants map[string]string // ids of the grants by the ids of their tokens; "" without a grant
}

func (s *sealed) CreateTokens(ctx context.Context, t *broker.SealedTokens) error {
	s.mu.Lock()
	s.grants[t.ID] = ""
	s.mu.Unlock()
	return s.store.CreateTokens(ctx, t)
}

func (s *sealed) CreateGrant(ctx context.Context, g *broker.Grant) error {
	s.mu.Lock()
	s.grants[g.TokensID] = g.ID
	s.mu.Unlock()
	return s.store.CreateGrant(ctx, g)
}

// allGrants returns the grants that have not expired.
func (w *world) allGrants() map[string]*broker.Grant {
	all := make(map[string]*broker.Grant)
	for g, err := range w.inner.ListGrants(w.t.Context()) {
		if err != nil {
			w.t.Fatal(err)
		}
		all[g.ID] = g
	}
	return all
}

// checkEnded checks that the grant of s has ended completely.
func (w *world) checkEnded(s *session) {
	g, err := w.inner.Grant(w.t.Context(), s.grant)
	if errors.Is(err, broker.ErrNotFound) {
		return // it has expired
	}
	if err != nil || g.EndedAt.IsZero() || g.Unfinished() || len(g.Live) > 0 {
		w.t.Errorf("%s: grant %s = %+v, %v, want it ended completely", w.now(), s.grant, g, err)
	}
}

// checkRemoved checks that removed registrations, and former generations of a
// registration, have no grants.
func (w *world) checkRemoved() {
	for _, g := range w.allGrants() {
		r, err := w.inner.Registration(w.t.Context(), g.ClientID)
		if err != nil {
			continue // deleted by its client, or its tombstone has expired
		}
		if g.Unfinished() && (r.State == broker.RegistrationRemoved || r.Generation != g.Generation) {
			w.t.Errorf("the grant %s of generation %s is valid, but the client %s is %s of generation %s", g.ID, g.Generation, r.ClientID, r.State, r.Generation)
		}
	}
}

// completeEnds repeats the end of each grant that has not ended completely. An
// Ender promises that this succeeds.
func (w *world) completeEnds() {
	for _, g := range w.allGrants() {
		if !g.EndedAt.IsZero() && g.Unfinished() {
			if err := w.ender.EndByID(w.t.Context(), g.ID); err != nil {
				w.t.Errorf("EndByID(%s), repeated without faults: %v", g.ID, err)
			}
		}
	}
}

// checkSessions refreshes every session that a client holds.
func (w *world) checkSessions() {
	for _, m := range w.members {
		if m.session == nil || m.over {
			continue
		}
		if w.registration(m) != nil {
			w.refresh(m.session)
		}
	}
}

// checkGrants checks that each grant that a client got has its tokens, or has
// ended completely.
func (w *world) checkGrants() {
	for _, g := range w.allGrants() {
		s := w.sessions[g.ID]
		switch {
		case !g.EndedAt.IsZero():
			w.checkEnded(&session{grant: g.ID})
		case s != nil:
			w.tokensOf(g)
		}
	}
}

// checkSignIns checks that Cognito accepts no refresh token of a sign-in without
// a grant, or whose grant has ended. If a fault happened during the sign-in, the
// refresh token may be left: no one has it.
func (w *world) checkSignIns() {
	all := w.allGrants()
	for _, s := range w.oauth.SignIns() {
		if !w.oauth.Usable(s.Newest) || !w.exists(s.AppID) {
			continue
		}
		g := all[broker.GrantID(w.keys, s.Origin, 0)]
		if g == nil && !w.signIns[s.Origin].faulty {
			w.t.Errorf("Cognito accepts the refresh token of the sign-in %s, which has no grant", s.Origin)
		}
		if g != nil && !g.EndedAt.IsZero() {
			w.t.Errorf("Cognito accepts the refresh token of the grant %s, which has ended", g.ID)
		}
	}
}

// checkTokens checks that no tokens of a grant that has ended are stored, and that
// those without a grant expire.
func (w *world) checkTokens() {
	all := w.allGrants()
	for id, grant := range w.sealed.grants {
		t, err := w.inner.Tokens(w.t.Context(), id)
		if errors.Is(err, broker.ErrNotFound) {
			continue
		}
		if err != nil {
			w.t.Fatal(err)
		}
		g := all[grant]
		if g != nil && g.TokensID != id {
			w.t.Errorf("the tokens %s of the grant %s, which has ended, are stored", id, g.ID)
		}
		if t.ExpiresAt.IsZero() || t.ExpiresAt.After(w.now().Add(lifetime)) {
			w.t.Errorf("the tokens %s of the grant %q expire at %s", id, grant, t.ExpiresAt)
		}
	}
}

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

// checkForgotten checks that no consent of the user is remembered.
func (w *world) checkForgotten(user string) {
	for r, err := range w.inner.OfUser(w.t.Context(), user) {
		if err != nil {
			w.t.Fatal(err)
		}
		if _, err := w.inner.Consent(w.t.Context(), r.Consent); r.Consent != "" && err == nil {
			w.t.Errorf("%s: a consent of %s is remembered after EndOfUser", w.now(), user)
		}
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

// checkEnds checks that each grant that has ended has ended completely.
func (w *world) checkEnds() {
	for id, g := range w.allGrants() {
		if !g.EndedAt.IsZero() {
			w.checkEnded(&session{grant: id})
		}
	}
}

// checkStored checks what holds at any time between two requests.
func (w *world) checkStored() {
	all := w.allGrants()
	for id, g := range all {
		if w.sessions[id] != nil && g.EndedAt.IsZero() {
			w.tokensOf(g) // the client got a code
		}
	}
	w.checkSignIns(all)
	w.checkTokens(all)
}

// checkSignIns checks that Cognito accepts no refresh token of a sign-in without
// a grant, or whose grant has ended completely.
func (w *world) checkSignIns(all map[string]*broker.Grant) {
	for _, s := range w.oauth.SignIns() {
		if !w.oauth.Usable(s.Newest) || !w.exists(s.AppID) {
			continue
		}
		g := all[broker.GrantID(w.keys, s.Origin, 0)]
		if a := w.signIns[s.Origin]; g == nil && !a.left && (!a.waits || w.settled) {
			w.t.Errorf("%s: Cognito accepts the refresh token of the sign-in %s, which has no grant", w.now(), s.Origin)
		}
		if g != nil && !g.Unfinished() {
			w.t.Errorf("%s: Cognito accepts the refresh token of the grant %s, which has ended", w.now(), g.ID)
		}
	}
}

// checkTokens checks that no tokens of a grant that has ended completely are
// stored, and that those without a grant expire.
func (w *world) checkTokens(all map[string]*broker.Grant) {
	for id, grant := range w.sealed.grants {
		t, err := w.inner.Tokens(w.t.Context(), id)
		if errors.Is(err, broker.ErrNotFound) {
			delete(w.sealed.grants, id)
			continue
		}
		if err != nil {
			w.t.Fatal(err)
		}
		if g := all[grant]; g != nil && (g.TokensID != id || g.TokensGone) {
			w.t.Errorf("%s: the tokens %s of the grant %s, which has ended, are stored", w.now(), id, g.ID)
		}
		if t.ExpiresAt.IsZero() || t.ExpiresAt.After(w.now().Add(lifetime)) {
			w.t.Errorf("%s: the tokens %s of the grant %q expire at %s", w.now(), id, grant, t.ExpiresAt)
		}
	}
}

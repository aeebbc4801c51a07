package contract

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// newGrant returns a grant of 30 days, as the user's decision creates it.
func newGrant(c *fake.Clock) *broker.Grant {
	id := credential.NewID()
	return &broker.Grant{
		ID:         id,
		ClientID:   "dcr_" + credential.NewID(),
		Generation: credential.NewID(),
		User:       broker.User{Sub: credential.NewID(), Username: "ann", Groups: []string{"b", "a"}},
		Scopes:     []string{"mcp/write", "mcp/read"},
		Resource:   "https://mcp.example/mcp",
		AppClient:  "profile/open",
		CognitoID:  "1example23456789",
		TokensID:   credential.NewID(),
		CreatedAt:  c.Second(),
		ExpiresAt:  c.Second().AddDate(0, 0, 30),
	}
}

func testGrants(t *testing.T, open OpenGrantStore) {
	create := func(t *testing.T, g *broker.Grant, clock *fake.Clock) broker.GrantStore {
		t.Helper()
		s := open(t, clock.Now)
		check(t, "create", s.CreateGrant(t.Context(), g), nil)
		return s
	}
	read := func(t *testing.T, s broker.GrantStore, id string) *broker.Grant {
		t.Helper()
		g, err := s.Grant(t.Context(), id)
		check(t, "read", err, nil)
		return g
	}
	listed := func(t *testing.T, s broker.GrantStore, id string) *broker.Grant {
		t.Helper()
		for _, g := range collect(t, s.ListGrants(t.Context())) {
			if g.ID == id {
				return g
			}
		}
		return nil
	}

	t.Run("a created grant is read", func(t *testing.T) {
		clock := fake.NewClock()
		least := &broker.Grant{ID: credential.NewID(), ExpiresAt: clock.Second().Add(time.Minute)}
		for _, g := range []*broker.Grant{newGrant(clock), least} {
			want := g.Clone()
			want.Version = 1
			s := create(t, g, clock)
			diff(t, "after create", g, want)
			diff(t, "read", read(t, s, g.ID), want)
			diff(t, "listed", listed(t, s, g.ID), want)
		}
	})

	t.Run("a taken id is not created again, ended or not", func(t *testing.T) {
		clock := fake.NewClock()
		g := newGrant(clock)
		s := create(t, g, clock)
		other := newGrant(clock)
		other.ID = g.ID
		check(t, "create", s.CreateGrant(t.Context(), other), broker.ErrExists)
		g.EndedAt = clock.Second()
		check(t, "end", s.ReplaceGrant(t.Context(), g), nil)
		check(t, "create after the end", s.CreateGrant(t.Context(), other), broker.ErrExists)
		if other.Version != 0 {
			t.Errorf("version after ErrExists: got %d, want 0", other.Version)
		}
		diff(t, "read", read(t, s, g.ID), g)
	})

	t.Run("one of several concurrent creations succeeds", func(t *testing.T) {
		clock := fake.NewClock()
		s, id := open(t, clock.Now), credential.NewID()
		oneWinner(t, race(func(int) error {
			g := newGrant(clock)
			g.ID = id
			return s.CreateGrant(t.Context(), g)
		}), broker.ErrExists)
	})

	t.Run("the grants of a client are found while there is something left to end", func(t *testing.T) {
		clock := fake.NewClock()
		g, ended, empty, foreign := newGrant(clock), newGrant(clock), newGrant(clock), newGrant(clock)
		ended.ClientID, empty.ClientID = g.ClientID, g.ClientID
		s := create(t, g, clock)
		for _, other := range []*broker.Grant{ended, empty, foreign} {
			check(t, "create", s.CreateGrant(t.Context(), other), nil)
		}
		want := func(when string, grants ...*broker.Grant) {
			t.Helper()
			var ids []string
			for _, g := range grants {
				ids = append(ids, g.ID)
			}
			got := collect(t, s.GrantsOf(t.Context(), g.ClientID))
			slices.Sort(ids)
			slices.Sort(got)
			if !slices.Equal(got, ids) {
				t.Errorf("%s: got %q, want %q", when, got, ids)
			}
		}
		want("at first", g, ended, empty)
		ended.EndedAt, empty.EndedAt = clock.Second(), clock.Second()
		check(t, "end", s.ReplaceGrant(t.Context(), ended), nil)
		check(t, "end", s.ReplaceGrant(t.Context(), empty), nil)
		want("ended, with tokens to revoke", g, ended, empty)
		empty.TokensGone = true
		check(t, "remove tokens", s.ReplaceGrant(t.Context(), empty), nil)
		want("ended, with no tokens", g, ended)
		g.TokensID = ""
		check(t, "replace", s.ReplaceGrant(t.Context(), g), nil)
		want("not ended, with no tokens", g, ended)
		for _, id := range append(foreignIDs(), credential.NewID()) {
			if got := collect(t, s.GrantsOf(t.Context(), id)); len(got) > 0 && id != "" {
				t.Errorf("grants of %q: %q, want none", id, got)
			}
		}
		for range s.GrantsOf(t.Context(), g.ClientID) {
			break // leaving early is allowed
		}
	})

	t.Run("refresh tokens rotate", func(t *testing.T) {
		clock := fake.NewClock()
		g := newGrant(clock)
		s := create(t, g, clock)
		ring, err := seal.Parse(seal.Generate())
		check(t, "make keys", err, nil)
		tok := credential.NewRefreshToken(g.ID, ring)
		g.CodeUsed, g.Live = true, []credential.Hash{tok.Hash()}
		check(t, "redeem the code", s.ReplaceGrant(t.Context(), g), nil)
		use := func(tok credential.Token, want broker.Verdict) credential.Token {
			t.Helper()
			g := read(t, s, g.ID)
			if got := g.Verdict(tok, ring, clock.Now()); got != want {
				t.Fatalf("verdict: got %v, want %v", got, want)
			}
			next := credential.NewRefreshToken(g.ID, ring)
			g.Rotated(want, tok, next.Hash(), clock.Now())
			check(t, "rotate", s.ReplaceGrant(t.Context(), g), nil)
			return next
		}
		for range 10 { // more often than a store may remember its own writes
			next := use(tok, broker.VerdictRotate)
			use(tok, broker.VerdictSibling)
			clock.Advance(broker.ReuseWindow - time.Second) // the store may have cut off a fraction of a second
			use(tok, broker.VerdictSibling)
			clock.Advance(time.Second)
			if got := read(t, s, g.ID).Verdict(tok, ring, clock.Now()); got != broker.VerdictReplayed {
				t.Fatalf("verdict after the window: got %v, want %v", got, broker.VerdictReplayed)
			}
			tok = next
		}
	})

	t.Run("a replacement of another version conflicts", func(t *testing.T) {
		clock := fake.NewClock()
		g := newGrant(clock)
		s := create(t, g, clock)
		check(t, "replace", s.ReplaceGrant(t.Context(), g), nil)
		for _, version := range []int64{1, 3, 0} {
			other := newGrant(clock)
			other.ID, other.Version = g.ID, version
			check(t, "replace", s.ReplaceGrant(t.Context(), other), broker.ErrConflict)
			if other.Version != version {
				t.Errorf("version after ErrConflict: got %d, want %d", other.Version, version)
			}
		}
		diff(t, "read", read(t, s, g.ID), g)
	})

	t.Run("one of several concurrent replacements succeeds", func(t *testing.T) {
		clock := fake.NewClock()
		g := newGrant(clock)
		s := create(t, g, clock)
		oneWinner(t, race(func(int) error { return s.ReplaceGrant(t.Context(), g.Clone()) }), broker.ErrConflict)
		if got := read(t, s, g.ID).Version; got != 2 {
			t.Errorf("version: got %d, want 2", got)
		}
	})

	t.Run("an ended grant is stored until it expires", func(t *testing.T) {
		clock := fake.NewClock()
		g := newGrant(clock)
		s := create(t, g, clock)
		clock.Advance(time.Hour)
		g.EndedAt, g.TokensGone, g.Live = clock.Second(), true, nil
		check(t, "end", s.ReplaceGrant(t.Context(), g), nil)
		clock.Advance(g.ExpiresAt.Sub(clock.Second()) - time.Second)
		diff(t, "read", read(t, s, g.ID), g)
		diff(t, "listed", listed(t, s, g.ID), g)
		clock.Advance(time.Second)
		_, err := s.Grant(t.Context(), g.ID)
		check(t, "read", err, broker.ErrNotFound)
		check(t, "replace", s.ReplaceGrant(t.Context(), g.Clone()), broker.ErrNotFound)
		if listed(t, s, g.ID) != nil {
			t.Error("the expired grant is listed")
		}
		again := newGrant(clock)
		again.ID = g.ID
		check(t, "create after the former one expired", s.CreateGrant(t.Context(), again), nil)
		diff(t, "read", read(t, s, g.ID), again)
	})

	t.Run("unknown ids are not found", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		for _, id := range append(foreignIDs(), credential.NewID()) {
			g := newGrant(clock)
			g.ID, g.Version = id, 1
			check(t, fmt.Sprintf("replace %.20q", id), s.ReplaceGrant(t.Context(), g), broker.ErrNotFound)
			_, err := s.Grant(t.Context(), id)
			check(t, fmt.Sprintf("read %.20q", id), err, broker.ErrNotFound)
			if listed(t, s, id) != nil {
				t.Errorf("%.20q is listed", id)
			}
		}
	})

	t.Run("a loop over the list can end early and change grants", func(t *testing.T) {
		clock := fake.NewClock()
		g := newGrant(clock)
		s := create(t, g, clock)
		check(t, "create", s.CreateGrant(t.Context(), newGrant(clock)), nil)
		for one, err := range s.ListGrants(t.Context()) {
			check(t, "list", err, nil)
			if one.ID == g.ID {
				one.EndedAt = clock.Second()
				check(t, "replace", s.ReplaceGrant(t.Context(), one), nil)
				break
			}
		}
		if got := read(t, s, g.ID).EndedAt; got != clock.Second() {
			t.Errorf("end: got %v, want %v", got, clock.Second())
		}
	})
}

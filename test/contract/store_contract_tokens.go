package contract

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// newToken returns the record of a new initial access token with that many
// uses.
func newToken(t *testing.T, c *fake.Clock, uses int) *credential.InitialAccessToken {
	t.Helper()
	_, record, err := credential.NewInitialAccessToken(credential.Terms{
		Label:     "für alle \U0001f512",
		Profile:   "partners",
		CreatedBy: "arn:aws:iam::123456789012:user/ops",
		Lifetime:  time.Hour,
		MaxUses:   uses,
	}, c.Now())
	check(t, "new token", err, nil)
	return record
}

func testInitialAccessTokens(t *testing.T, open OpenStore) {
	create := func(t *testing.T, clock *fake.Clock, uses int) (broker.Store, *credential.InitialAccessToken) {
		t.Helper()
		s, token := open(t, clock.Now), newToken(t, clock, uses)
		check(t, "create", s.CreateInitialAccessToken(t.Context(), token), nil)
		return s, token
	}
	read := func(t *testing.T, s broker.Store, id string) *credential.InitialAccessToken {
		t.Helper()
		token, err := s.InitialAccessToken(t.Context(), id)
		check(t, "read", err, nil)
		return token
	}
	same := func(t *testing.T, what string, got, want *credential.InitialAccessToken) {
		t.Helper()
		diff(t, what, got, want)
	}

	t.Run("a created token is read", func(t *testing.T) {
		clock := fake.NewClock()
		s, token := create(t, clock, 3)
		same(t, "read", read(t, s, token.ID), token)

		least := &credential.InitialAccessToken{
			ID: credential.NewID(), Hash: token.Hash, Profile: "partners", CreatedAt: clock.Second(),
		}
		check(t, "create", s.CreateInitialAccessToken(t.Context(), least), nil)
		same(t, "read the least one", read(t, s, least.ID), least)

		most := newToken(t, clock, 3)
		most.RevokedAt = clock.Second()
		check(t, "create", s.CreateInitialAccessToken(t.Context(), most), nil)
		same(t, "read the revoked one", read(t, s, most.ID), most)
	})

	t.Run("a taken id is not created again", func(t *testing.T) {
		clock := fake.NewClock()
		s, token := create(t, clock, 3)
		other := newToken(t, clock, 0)
		other.ID = token.ID
		check(t, "create", s.CreateInitialAccessToken(t.Context(), other), broker.ErrExists)
		clock.Advance(2 * time.Hour) // an expired token is still a token
		check(t, "create", s.CreateInitialAccessToken(t.Context(), other), broker.ErrExists)
		same(t, "read", read(t, s, token.ID), token)
	})

	t.Run("a member counts as one use", func(t *testing.T) {
		clock := fake.NewClock()
		s, token := create(t, clock, 2)
		for _, tt := range []struct {
			member string
			want   error
			uses   int
		}{
			{"a", nil, 1},
			{"a", nil, 1},
			{"b", nil, 2},
			{"c", broker.ErrExhausted, 2},
			{"b", nil, 2}, // a full set still has its members
		} {
			check(t, "use by "+tt.member, s.UseInitialAccessToken(t.Context(), token.ID, tt.member), tt.want)
			if got := read(t, s, token.ID).Uses; got != tt.uses {
				t.Errorf("uses after %q: got %d, want %d", tt.member, got, tt.uses)
			}
		}
	})

	t.Run("a returned use is free again", func(t *testing.T) {
		clock := fake.NewClock()
		s, token := create(t, clock, 1)
		for _, member := range []string{"a", "b"} { // twice, since the set was empty in between
			check(t, "use", s.UseInitialAccessToken(t.Context(), token.ID, member), nil)
			check(t, "use by another", s.UseInitialAccessToken(t.Context(), token.ID, "x"), broker.ErrExhausted)
			check(t, "return by another", s.ReturnInitialAccessToken(t.Context(), token.ID, "x"), nil)
			check(t, "use by another", s.UseInitialAccessToken(t.Context(), token.ID, "x"), broker.ErrExhausted)
			check(t, "return", s.ReturnInitialAccessToken(t.Context(), token.ID, member), nil)
			check(t, "return again", s.ReturnInitialAccessToken(t.Context(), token.ID, member), nil)
			same(t, "read", read(t, s, token.ID), token)
		}
	})

	t.Run("one of several concurrent calls takes the last use", func(t *testing.T) {
		clock := fake.NewClock()
		s, token := create(t, clock, 3)
		check(t, "use", s.UseInitialAccessToken(t.Context(), token.ID, "a"), nil)
		check(t, "use", s.UseInitialAccessToken(t.Context(), token.ID, "b"), nil)
		oneWinner(t, race(func(int) error {
			return s.UseInitialAccessToken(t.Context(), token.ID, credential.NewID())
		}), broker.ErrExhausted)
		if got := read(t, s, token.ID).Uses; got != 3 {
			t.Errorf("uses: got %d, want 3", got)
		}
	})

	t.Run("concurrent uses by one member count once", func(t *testing.T) {
		clock := fake.NewClock()
		s, token := create(t, clock, 1)
		if err := errors.Join(race(func(int) error {
			return s.UseInitialAccessToken(t.Context(), token.ID, "a")
		})...); err != nil {
			t.Errorf("got error %v, want none", err)
		}
		if got := read(t, s, token.ID).Uses; got != 1 {
			t.Errorf("uses: got %d, want 1", got)
		}
	})

	t.Run("a token without a limit stores no uses", func(t *testing.T) {
		clock := fake.NewClock()
		s, token := create(t, clock, 0)
		for range 5 {
			check(t, "use", s.UseInitialAccessToken(t.Context(), token.ID, credential.NewID()), nil)
		}
		check(t, "return", s.ReturnInitialAccessToken(t.Context(), token.ID, "a"), nil)
		same(t, "read", read(t, s, token.ID), token)
		check(t, "revoke", s.RevokeInitialAccessToken(t.Context(), token.ID, clock.Now()), nil)
		check(t, "use", s.UseInitialAccessToken(t.Context(), token.ID, "b"), broker.ErrExhausted)
	})

	t.Run("a revoked token has no uses left", func(t *testing.T) {
		clock := fake.NewClock()
		s, token := create(t, clock, 2)
		check(t, "use", s.UseInitialAccessToken(t.Context(), token.ID, "a"), nil)
		at := clock.Second()
		check(t, "revoke", s.RevokeInitialAccessToken(t.Context(), token.ID, at), nil)
		check(t, "revoke later", s.RevokeInitialAccessToken(t.Context(), token.ID, at.Add(time.Minute)), nil)
		check(t, "use", s.UseInitialAccessToken(t.Context(), token.ID, "b"), broker.ErrExhausted)
		token.RevokedAt, token.Uses = at, 1
		same(t, "read", read(t, s, token.ID), token)
		check(t, "return", s.ReturnInitialAccessToken(t.Context(), token.ID, "a"), nil)
		token.Uses = 0
		same(t, "read after return", read(t, s, token.ID), token)
	})

	t.Run("an expired token is still read and listed", func(t *testing.T) {
		clock := fake.NewClock()
		s, token := create(t, clock, 2)
		clock.Advance(1000 * time.Hour)
		same(t, "read", read(t, s, token.ID), token)
		if !slices.ContainsFunc(collect(t, s.ListInitialAccessTokens(t.Context())),
			func(listed *credential.InitialAccessToken) bool { return listed.ID == token.ID }) {
			t.Error("the expired token is not listed")
		}
	})

	t.Run("a write to an absent token creates none", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		for _, id := range append(foreignIDs(), credential.NewID()) {
			check(t, "use", s.UseInitialAccessToken(t.Context(), id, "a"), broker.ErrNotFound)
			check(t, "return", s.ReturnInitialAccessToken(t.Context(), id, "a"), nil)
			check(t, "revoke", s.RevokeInitialAccessToken(t.Context(), id, clock.Now()), broker.ErrNotFound)
			_, err := s.InitialAccessToken(t.Context(), id)
			check(t, "read", err, broker.ErrNotFound)
		}
	})

	t.Run("all tokens are listed", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		want := make(map[string]*credential.InitialAccessToken)
		for i := range 5 {
			token := newToken(t, clock, i)
			check(t, "create", s.CreateInitialAccessToken(t.Context(), token), nil)
			want[token.ID] = token
		}
		for token, err := range s.ListInitialAccessTokens(t.Context()) {
			check(t, "list", err, nil)
			if w, ok := want[token.ID]; ok {
				same(t, "listed", token, w)
				delete(want, token.ID)
			}
		}
		if len(want) > 0 {
			t.Errorf("%d tokens are not listed", len(want))
		}
	})
}

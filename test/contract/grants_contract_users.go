package contract

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

func testTokens(t *testing.T, open OpenGrantStore) {
	newTokens := func(c *fake.Clock) *broker.SealedTokens {
		return &broker.SealedTokens{
			ID: credential.NewID(), Sealed: bytes.Repeat([]byte("\xffsealed"), 700), // about the size of Cognito's
			Code: broker.AuthorizationCode{
				Hash: newKey(), ExpiresAt: c.Second().Add(broker.CodeLifetime), RedirectURI: "http://127.0.0.1:49152/\xff\x00callback",
				Challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
			},
			ExpiresAt: c.Second().AddDate(0, 0, 30),
		}
	}
	read := func(t *testing.T, s broker.GrantStore, id string) *broker.SealedTokens {
		t.Helper()
		x, err := s.Tokens(t.Context(), id)
		check(t, "read", err, nil)
		return x
	}

	t.Run("created tokens are read, and not created again", func(t *testing.T) {
		clock := fake.NewClock()
		s, x := open(t, clock.Now), newTokens(clock)
		check(t, "create", s.CreateTokens(t.Context(), x), nil)
		diff(t, "read", read(t, s, x.ID), x)
		other := newTokens(clock)
		other.ID, other.Sealed = x.ID, []byte("other")
		check(t, "create again", s.CreateTokens(t.Context(), other), broker.ErrExists)
		diff(t, "read", read(t, s, x.ID), x)
	})

	t.Run("one of several concurrent replacements succeeds", func(t *testing.T) {
		clock := fake.NewClock()
		s, x := open(t, clock.Now), newTokens(clock)
		check(t, "create", s.CreateTokens(t.Context(), x), nil)
		oneWinner(t, race(func(int) error { return s.ReplaceTokens(t.Context(), x.Clone()) }), broker.ErrConflict)
		if got := read(t, s, x.ID).Version; got != 2 {
			t.Errorf("version: got %d, want 2", got)
		}
	})

	t.Run("deleted and expired tokens are not found, and not replaced", func(t *testing.T) {
		clock := fake.NewClock()
		s, deleted, expired := open(t, clock.Now), newTokens(clock), newTokens(clock)
		check(t, "create", s.CreateTokens(t.Context(), deleted), nil)
		check(t, "create", s.CreateTokens(t.Context(), expired), nil)
		check(t, "delete another version", s.DeleteTokens(t.Context(), deleted.ID, 2), broker.ErrConflict)
		diff(t, "read", read(t, s, deleted.ID), deleted)
		check(t, "delete", s.DeleteTokens(t.Context(), deleted.ID, 1), nil)
		check(t, "delete again", s.DeleteTokens(t.Context(), deleted.ID, 1), nil)
		diff(t, "read the others", read(t, s, expired.ID), expired)
		clock.Advance(expired.ExpiresAt.Sub(clock.Second()))
		for _, x := range []*broker.SealedTokens{deleted, expired} {
			_, err := s.Tokens(t.Context(), x.ID)
			check(t, "read", err, broker.ErrNotFound)
			check(t, "replace", s.ReplaceTokens(t.Context(), x), broker.ErrNotFound)
		}
	})

	t.Run("unknown ids are not found", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		for _, id := range append(foreignIDs(), credential.NewID()) {
			x := newTokens(clock)
			x.ID, x.Version = id, 1
			_, err := s.Tokens(t.Context(), id)
			check(t, fmt.Sprintf("read %.20q", id), err, broker.ErrNotFound)
			check(t, fmt.Sprintf("replace %.20q", id), s.ReplaceTokens(t.Context(), x), broker.ErrNotFound)
			check(t, fmt.Sprintf("delete %.20q", id), s.DeleteTokens(t.Context(), id, 1), nil)
		}
	})
}

func testOfUser(t *testing.T, open OpenGrantStore) {
	clock := fake.NewClock()
	s := open(t, clock.Now)
	sub := credential.NewID()
	g, ended, own, foreign := newGrant(clock), newGrant(clock), newGrant(clock), newGrant(clock)
	own.User = broker.User{} // of a client to itself
	kept := &broker.Consent{Key: credential.NewID(), Sub: sub, ExpiresAt: clock.Second().Add(time.Hour)}
	taken := &broker.Consent{Key: credential.NewID(), Sub: sub, ExpiresAt: clock.Second().Add(time.Hour)}
	for _, x := range []*broker.Grant{g, ended} {
		x.User.Sub = sub
	}
	for _, x := range []*broker.Grant{g, ended, own, foreign} {
		check(t, "create", s.CreateGrant(t.Context(), x), nil)
	}
	for _, c := range []*broker.Consent{kept, taken} {
		check(t, "put", s.PutConsent(t.Context(), c), nil)
	}
	want := func(when string, records ...broker.UserRecord) {
		t.Helper()
		got := collect(t, s.OfUser(t.Context(), sub))
		order := func(a, b broker.UserRecord) int {
			return bytes.Compare([]byte(a.Grant+" "+a.Consent), []byte(b.Grant+" "+b.Consent))
		}
		slices.SortFunc(got, order)
		slices.SortFunc(records, order)
		if !slices.Equal(got, records) {
			t.Errorf("%s: got %+v, want %+v", when, got, records)
		}
	}
	want("at first", broker.UserRecord{Grant: g.ID}, broker.UserRecord{Grant: ended.ID}, broker.UserRecord{Consent: kept.Key}, broker.UserRecord{Consent: taken.Key})
	ended.EndedAt = clock.Second()
	check(t, "end", s.ReplaceGrant(t.Context(), ended), nil)
	check(t, "delete", s.DeleteConsent(t.Context(), taken.Key), nil)
	want("ended, with tokens to revoke", broker.UserRecord{Grant: g.ID}, broker.UserRecord{Grant: ended.ID}, broker.UserRecord{Consent: kept.Key})
	ended.TokensGone = true
	check(t, "complete the end", s.ReplaceGrant(t.Context(), ended), nil)
	want("ended", broker.UserRecord{Grant: g.ID}, broker.UserRecord{Consent: kept.Key})
	for _, id := range append(foreignIDs(), credential.NewID()) {
		if got := collect(t, s.OfUser(t.Context(), id)); len(got) > 0 {
			t.Errorf("records of %.20q: %+v, want none", id, got)
		}
	}
	for range s.OfUser(t.Context(), sub) {
		break // leaving early is allowed
	}
}

func testConsents(t *testing.T, open OpenGrantStore) {
	newConsent := func(c *fake.Clock) *broker.Consent {
		return &broker.Consent{
			Key: credential.NewID(), Sub: credential.NewID(), ClientID: "dcr_" + credential.NewID(),
			Scopes: []string{"mcp/write", "mcp/read"}, CreatedAt: c.Second(), ExpiresAt: c.Second().AddDate(0, 0, 30),
		}
	}
	put := func(t *testing.T, c *broker.Consent, clock *fake.Clock) broker.GrantStore {
		t.Helper()
		s := open(t, clock.Now)
		check(t, "put", s.PutConsent(t.Context(), c), nil)
		return s
	}
	read := func(t *testing.T, s broker.GrantStore, key string) *broker.Consent {
		t.Helper()
		c, err := s.Consent(t.Context(), key)
		check(t, "read", err, nil)
		return c
	}

	t.Run("a stored consent is read", func(t *testing.T) {
		clock := fake.NewClock()
		least := &broker.Consent{Key: credential.NewID(), ExpiresAt: clock.Second().Add(time.Minute)}
		for _, c := range []*broker.Consent{newConsent(clock), least} {
			s := put(t, c, clock)
			diff(t, "read", read(t, s, c.Key), c)
		}
	})

	t.Run("a newer consent replaces the one with the same key", func(t *testing.T) {
		clock := fake.NewClock()
		c := newConsent(clock)
		s := put(t, c, clock)
		clock.Advance(time.Hour)
		next := newConsent(clock)
		next.Key, next.Scopes = c.Key, []string{"mcp/read"}
		check(t, "put", s.PutConsent(t.Context(), next), nil)
		diff(t, "read", read(t, s, c.Key), next)
	})

	t.Run("a consent expires", func(t *testing.T) {
		clock := fake.NewClock()
		c := newConsent(clock)
		s := put(t, c, clock)
		clock.Advance(c.ExpiresAt.Sub(clock.Second()) - time.Second)
		read(t, s, c.Key)
		clock.Advance(time.Second)
		_, err := s.Consent(t.Context(), c.Key)
		check(t, "read", err, broker.ErrNotFound)
		again := newConsent(clock)
		again.Key = c.Key
		check(t, "put again", s.PutConsent(t.Context(), again), nil)
		diff(t, "read", read(t, s, c.Key), again)
	})

	t.Run("a consent is deleted", func(t *testing.T) {
		clock := fake.NewClock()
		c, other := newConsent(clock), newConsent(clock)
		s := put(t, c, clock)
		check(t, "put another", s.PutConsent(t.Context(), other), nil)
		check(t, "delete", s.DeleteConsent(t.Context(), c.Key), nil)
		_, err := s.Consent(t.Context(), c.Key)
		check(t, "read", err, broker.ErrNotFound)
		check(t, "delete again", s.DeleteConsent(t.Context(), c.Key), nil)
		diff(t, "read the other", read(t, s, other.Key), other)
	})

	t.Run("unknown keys are not found", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		for _, key := range append(foreignIDs(), credential.NewID()) {
			_, err := s.Consent(t.Context(), key)
			check(t, fmt.Sprintf("read %.20q", key), err, broker.ErrNotFound)
			check(t, fmt.Sprintf("delete %.20q", key), s.DeleteConsent(t.Context(), key), nil)
		}
	})
}

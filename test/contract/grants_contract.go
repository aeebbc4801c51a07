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

// An OpenGrantStore opens the store under test, whose clock is now. The store
// may hold records already, and may be the same one each time.
type OpenGrantStore func(t *testing.T, now func() time.Time) broker.GrantStore

// TestGrantStore tests that the store which open returns keeps the contract of
// broker.GrantStore. To test calls that are sent twice, run it once more with a
// store that sends each call twice.
func TestGrantStore(t *testing.T, open func(t *testing.T, now func() time.Time) broker.GrantStore) {
	t.Run("Transactions", func(t *testing.T) { testTransactions(t, open) })
	t.Run("Grants", func(t *testing.T) { testGrants(t, open) })
	t.Run("Tokens", func(t *testing.T) { testTokens(t, open) })
	t.Run("records of a user", func(t *testing.T) { testOfUser(t, open) })
	t.Run("Consents", func(t *testing.T) { testConsents(t, open) })
	t.Run("MachineTokens", func(t *testing.T) { testMachineTokens(t, open) })
	t.Run("every field is kept", func(t *testing.T) { testEveryFieldOfGrants(t, open) })
}

// newKey returns the key of a new transaction.
func newKey() credential.Hash { return credential.Presented(credential.NewID()).Hash() }

// newTransaction returns a transaction as /authorize creates it.
func newTransaction(c *fake.Clock) *broker.Transaction {
	return &broker.Transaction{
		Key:         newKey(),
		Step:        broker.StepStarted,
		ClientID:    "dcr_" + credential.NewID(),
		Generation:  credential.NewID(),
		RedirectURI: "http://127.0.0.1:49152/callback",
		State:       "af0ifjsldkj",
		Scopes:      []string{"mcp/read", "mcp/write"},
		Resource:    "https://mcp.example/mcp",
		Challenge:   "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
		AppClient:   "profile/open",
		CognitoID:   "1example23456789",
		ExpiresAt:   c.Second().Add(broker.TransactionLifetime),
	}
}

func testTransactions(t *testing.T, open OpenGrantStore) {
	create := func(t *testing.T, tx *broker.Transaction, clock *fake.Clock) broker.GrantStore {
		t.Helper()
		s := open(t, clock.Now)
		check(t, "create", s.CreateTransaction(t.Context(), tx), nil)
		return s
	}
	read := func(t *testing.T, s broker.GrantStore, key credential.Hash) *broker.Transaction {
		t.Helper()
		tx, err := s.Transaction(t.Context(), key)
		check(t, "read", err, nil)
		return tx
	}

	t.Run("a created transaction is read", func(t *testing.T) {
		clock := fake.NewClock()
		least := &broker.Transaction{Key: newKey(), Step: broker.StepStarted, ExpiresAt: clock.Second().Add(time.Minute)}
		for _, tx := range []*broker.Transaction{newTransaction(clock), least} {
			want := tx.Clone()
			want.Version = 1
			s := create(t, tx, clock)
			diff(t, "after create", tx, want)
			diff(t, "read", read(t, s, tx.Key), want)
		}
	})

	t.Run("text of a client is read byte for byte", func(t *testing.T) {
		clock := fake.NewClock()
		for _, text := range []string{"\xff\xfe", "a\x00b", "\ufffd", "\u202e", " ", "\xed\xa0\x80"} {
			tx := newTransaction(clock)
			tx.State, tx.Nonce, tx.LoginHint, tx.Lang, tx.Prompt = text, text+"n", text+"h", text+"l", text+"p"
			tx.RedirectURI, tx.Challenge, tx.Resource, tx.Scopes = text+"u", text+"c", text+"r", []string{text}
			tx.User = broker.User{Sub: text, Username: text, Email: text, Groups: []string{text}, IdentityProviders: []string{text}}
			s := create(t, tx, clock)
			diff(t, "read", read(t, s, tx.Key), tx)
		}
	})

	t.Run("empty lists are read as nil", func(t *testing.T) {
		clock := fake.NewClock()
		tx := newTransaction(clock)
		tx.Scopes, tx.User.Groups = []string{}, []string{}
		s := create(t, tx, clock)
		want := tx.Clone()
		want.Scopes, want.User.Groups = nil, nil
		diff(t, "read", read(t, s, tx.Key), want)
	})

	t.Run("times are stored as whole seconds in UTC", func(t *testing.T) {
		clock := fake.NewClock()
		tx := newTransaction(clock)
		want := tx.ExpiresAt
		tx.ExpiresAt = want.Add(900 * time.Millisecond).In(time.FixedZone("", 3600))
		s := create(t, tx, clock)
		diff(t, "expiry", read(t, s, tx.Key).ExpiresAt, want)
	})

	t.Run("a taken key is not created again", func(t *testing.T) {
		clock := fake.NewClock()
		tx := newTransaction(clock)
		s := create(t, tx, clock)
		other := newTransaction(clock)
		other.Key = tx.Key
		check(t, "create", s.CreateTransaction(t.Context(), other), broker.ErrExists)
		if other.Version != 0 {
			t.Errorf("version after ErrExists: got %d, want 0", other.Version)
		}
		diff(t, "read", read(t, s, tx.Key), tx)
		clock.Advance(broker.TransactionLifetime)
		other.ExpiresAt = clock.Second().Add(time.Minute)
		check(t, "create after the former one expired", s.CreateTransaction(t.Context(), other), nil)
		diff(t, "read", read(t, s, tx.Key), other)
	})

	t.Run("each step is taken once", func(t *testing.T) {
		clock := fake.NewClock()
		tx := newTransaction(clock)
		s := create(t, tx, clock)
		want := tx.Clone()
		want.Step, want.Version = broker.StepRedeeming, 2
		got, err := s.TakeStep(t.Context(), tx.Key, broker.StepStarted, broker.StepRedeeming)
		check(t, "take", err, nil)
		diff(t, "taken", got, want)
		diff(t, "read", read(t, s, tx.Key), want)
		for _, step := range [][2]broker.Step{
			{broker.StepStarted, broker.StepRedeeming}, // again
			{broker.StepStarted, broker.StepSignedIn},
			{broker.StepSignedIn, broker.StepAllowed}, // too early
		} {
			_, err := s.TakeStep(t.Context(), tx.Key, step[0], step[1])
			check(t, "take "+string(step[0]), err, broker.ErrConflict)
		}
		diff(t, "read", read(t, s, tx.Key), want)
	})

	t.Run("a transaction from beginning to end", func(t *testing.T) {
		clock := fake.NewClock()
		tx := newTransaction(clock)
		s := create(t, tx, clock)
		stale := tx.Clone()
		taken, err := s.TakeStep(t.Context(), tx.Key, broker.StepStarted, broker.StepRedeeming)
		check(t, "take started", err, nil)
		check(t, "replace a stale version", s.ReplaceTransaction(t.Context(), stale), broker.ErrConflict)

		taken.Step, taken.OriginJTI, taken.Tokens = broker.StepSignedIn, credential.NewID(), []byte("k1.\xffsealed")
		taken.User = broker.User{Sub: credential.NewID(), Username: "ann", Groups: []string{"b", "a"}}
		check(t, "replace", s.ReplaceTransaction(t.Context(), taken), nil)
		if taken.Version != 3 {
			t.Errorf("version: got %d, want 3", taken.Version)
		}
		diff(t, "read", read(t, s, tx.Key), taken)

		decided, err := s.TakeStep(t.Context(), tx.Key, broker.StepSignedIn, broker.StepAllowed)
		check(t, "take signed in", err, nil)
		taken.Step, taken.Version = broker.StepAllowed, 4
		diff(t, "decided", decided, taken)

		check(t, "delete", s.DeleteTransaction(t.Context(), tx.Key), nil)
		_, err = s.Transaction(t.Context(), tx.Key)
		check(t, "read", err, broker.ErrNotFound)
		check(t, "delete again", s.DeleteTransaction(t.Context(), tx.Key), nil)
	})

	t.Run("after a return to a step it can be taken again", func(t *testing.T) {
		clock := fake.NewClock()
		tx := newTransaction(clock)
		s := create(t, tx, clock)
		for range 3 {
			taken, err := s.TakeStep(t.Context(), tx.Key, broker.StepStarted, broker.StepRedeeming)
			check(t, "take", err, nil)
			taken.Step = broker.StepStarted
			check(t, "replace", s.ReplaceTransaction(t.Context(), taken), nil)
		}
		if got := read(t, s, tx.Key).Version; got != 7 {
			t.Errorf("version: got %d, want 7", got)
		}
	})

	t.Run("one of several concurrent calls takes a step", func(t *testing.T) {
		clock := fake.NewClock()
		tx := newTransaction(clock)
		s := create(t, tx, clock)
		oneWinner(t, race(func(int) error {
			_, err := s.TakeStep(t.Context(), tx.Key, broker.StepStarted, broker.StepRedeeming)
			return err
		}), broker.ErrConflict)
		if got := read(t, s, tx.Key).Version; got != 2 {
			t.Errorf("version: got %d, want 2", got)
		}
	})

	t.Run("one of several concurrent creations succeeds", func(t *testing.T) {
		clock := fake.NewClock()
		s, key := open(t, clock.Now), newKey()
		oneWinner(t, race(func(int) error {
			tx := newTransaction(clock)
			tx.Key = key
			return s.CreateTransaction(t.Context(), tx)
		}), broker.ErrExists)
	})

	t.Run("a replacement and a step do not both succeed", func(t *testing.T) {
		clock := fake.NewClock()
		tx := newTransaction(clock)
		s := create(t, tx, clock)
		stepped := 0
		errs := race(func(i int) error {
			if i > 0 {
				return s.ReplaceTransaction(t.Context(), tx.Clone())
			}
			_, err := s.TakeStep(t.Context(), tx.Key, broker.StepStarted, broker.StepRedeeming)
			return err
		})
		// The step does not depend on the version, so it may come second.
		if errs[0] == nil {
			stepped = 1
		}
		won := 0
		for _, err := range errs[1:] {
			if err == nil {
				won++
			} else if !errors.Is(err, broker.ErrConflict) {
				t.Errorf("replace: got error %v, want none or %v", err, broker.ErrConflict)
			}
		}
		if stepped != 1 || won > 1 {
			t.Errorf("steps taken: %d with error %v, want 1; replacements: %d, want at most 1", stepped, errs[0], won)
		}
		if got, want := read(t, s, tx.Key), int64(1+stepped+won); got.Version != want || got.Step != broker.StepRedeeming {
			t.Errorf("got version %d at %s, want %d at %s", got.Version, got.Step, want, broker.StepRedeeming)
		}
	})

	t.Run("an expired transaction with tokens is due until it is deleted", func(t *testing.T) {
		clock := fake.NewClock()
		tx := newTransaction(clock)
		s := create(t, tx, clock)
		due := func() []string {
			var keys []string
			for _, d := range collect(t, s.(broker.Sweeping).Due(t.Context(), clock.Now(), "")) {
				if d.Kind == broker.DueTransaction {
					keys = append(keys, d.Key)
				}
			}
			return keys
		}
		taken, err := s.TakeStep(t.Context(), tx.Key, broker.StepStarted, broker.StepRedeeming)
		check(t, "take", err, nil)
		taken.Step, taken.Due = broker.StepSignedIn, tx.ExpiresAt.Add(time.Minute)
		check(t, "replace", s.ReplaceTransaction(t.Context(), taken), nil)
		decided, err := s.TakeStep(t.Context(), tx.Key, broker.StepSignedIn, broker.StepAllowed)
		check(t, "take", err, nil)
		clock.Advance(broker.TransactionLifetime)
		if keys := due(); slices.Contains(keys, tx.Key.String()) {
			t.Errorf("due before its time: %q", keys)
		}
		clock.Advance(time.Minute)
		keys := due()
		if !slices.Contains(keys, tx.Key.String()) {
			t.Fatalf("due are %q, want %q among them", keys, tx.Key.String())
		}
		_, err = s.Transaction(t.Context(), tx.Key)
		check(t, "read", err, broker.ErrNotFound)
		left, err := s.LeftTransaction(t.Context(), tx.Key.String())
		check(t, "read what is left", err, nil)
		diff(t, "what is left", *left, *decided)
		check(t, "delete", s.DeleteTransaction(t.Context(), tx.Key), nil)
		_, err = s.LeftTransaction(t.Context(), tx.Key.String())
		check(t, "read what is deleted", err, broker.ErrNotFound)
		if keys := due(); slices.Contains(keys, tx.Key.String()) {
			t.Errorf("due after its deletion: %q", keys)
		}
	})

	t.Run("an expired or absent transaction is not found", func(t *testing.T) {
		clock := fake.NewClock()
		tx := newTransaction(clock)
		s := create(t, tx, clock)
		clock.Advance(broker.TransactionLifetime - time.Second)
		read(t, s, tx.Key)
		clock.Advance(time.Second)
		for _, key := range []credential.Hash{tx.Key, newKey(), {}} {
			gone := tx.Clone()
			gone.Key = key
			_, err := s.Transaction(t.Context(), key)
			check(t, "read", err, broker.ErrNotFound)
			_, err = s.TakeStep(t.Context(), key, broker.StepStarted, broker.StepRedeeming)
			check(t, "take", err, broker.ErrNotFound)
			check(t, "replace", s.ReplaceTransaction(t.Context(), gone), broker.ErrNotFound)
			check(t, "delete", s.DeleteTransaction(t.Context(), key), nil)
			_, err = s.Transaction(t.Context(), key)
			check(t, "read", err, broker.ErrNotFound)
		}
	})
}

func testEveryFieldOfGrants(t *testing.T, open OpenGrantStore) {
	t.Run("of a transaction", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		everyField(t, fields[broker.Transaction]{
			filler:  newFiller(clock),
			create:  func(tx *broker.Transaction) error { return s.CreateTransaction(t.Context(), tx) },
			replace: func(tx *broker.Transaction) error { return s.ReplaceTransaction(t.Context(), tx) },
			read: func(tx *broker.Transaction) (*broker.Transaction, error) {
				return s.Transaction(t.Context(), tx.Key)
			},
			succeed: func(next, old *broker.Transaction) { next.Key, next.Version = old.Key, old.Version },
			diff:    diff[*broker.Transaction],
		})
	})
	t.Run("of a grant", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		everyField(t, fields[broker.Grant]{
			filler:  newFiller(clock),
			create:  func(g *broker.Grant) error { return s.CreateGrant(t.Context(), g) },
			replace: func(g *broker.Grant) error { return s.ReplaceGrant(t.Context(), g) },
			read:    func(g *broker.Grant) (*broker.Grant, error) { return s.Grant(t.Context(), g.ID) },
			succeed: func(next, old *broker.Grant) { next.ID, next.Version = old.ID, old.Version },
			diff:    diff[*broker.Grant],
		})
	})
	t.Run("of tokens", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		everyField(t, fields[broker.SealedTokens]{
			filler:  newFiller(clock),
			create:  func(x *broker.SealedTokens) error { return s.CreateTokens(t.Context(), x) },
			replace: func(x *broker.SealedTokens) error { return s.ReplaceTokens(t.Context(), x) },
			read:    func(x *broker.SealedTokens) (*broker.SealedTokens, error) { return s.Tokens(t.Context(), x.ID) },
			succeed: func(next, old *broker.SealedTokens) { next.ID, next.Version = old.ID, old.Version },
			diff:    diff[*broker.SealedTokens],
		})
	})
	t.Run("of a machine token", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		everyField(t, fields[broker.MachineToken]{
			filler:  newFiller(clock),
			create:  func(m *broker.MachineToken) error { return s.PutMachineToken(t.Context(), m) },
			replace: func(m *broker.MachineToken) error { return s.PutMachineToken(t.Context(), m) },
			read:    func(m *broker.MachineToken) (*broker.MachineToken, error) { return s.MachineToken(t.Context(), m.ID) },
			succeed: func(next, old *broker.MachineToken) { next.ID = old.ID },
			diff:    diff[*broker.MachineToken],
		})
	})
	t.Run("of a consent", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		everyField(t, fields[broker.Consent]{
			filler:  newFiller(clock),
			create:  func(c *broker.Consent) error { return s.PutConsent(t.Context(), c) },
			replace: func(c *broker.Consent) error { return s.PutConsent(t.Context(), c) },
			read:    func(c *broker.Consent) (*broker.Consent, error) { return s.Consent(t.Context(), c.Key) },
			succeed: func(next, old *broker.Consent) { next.Key = old.Key },
			diff:    diff[*broker.Consent],
		})
	})
}

package fake_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// Each method of broker.GrantStore fails at the call that the test has chosen.
// Its write is stored if the reply was lost, and not stored if it was not
// applied.
func TestStore_of_grants_fails_before_or_after_the_effect(t *testing.T) {
	expires := time.Now().Add(time.Hour)
	key := credential.NewClientSecret().Hash()
	transaction := func() *broker.Transaction {
		return &broker.Transaction{Key: key, Version: 1, Step: broker.StepStarted, ExpiresAt: expires}
	}
	// Calls of each method, with one word for the state before and after.
	methods := map[string]struct {
		call func(ctx context.Context, s broker.GrantStore) error
		left func(ctx context.Context, s broker.GrantStore) string
		// before and after are the words before and after the effect.
		before, after string
	}{
		"CreateTransaction": {
			func(ctx context.Context, s broker.GrantStore) error {
				t := transaction()
				t.Key = credential.Hash{1}
				return s.CreateTransaction(ctx, t)
			},
			func(ctx context.Context, s broker.GrantStore) string {
				_, err := s.Transaction(ctx, credential.Hash{1})
				return word(err)
			}, "absent", "present",
		},
		"TakeStep": {
			func(ctx context.Context, s broker.GrantStore) error {
				_, err := s.TakeStep(ctx, key, broker.StepStarted, broker.StepRedeeming)
				return err
			},
			func(ctx context.Context, s broker.GrantStore) string {
				t, _ := s.Transaction(ctx, key)
				return string(t.Step)
			}, "started", "redeeming",
		},
		"ReplaceTransaction": {
			func(ctx context.Context, s broker.GrantStore) error {
				t := transaction()
				t.State = "replaced"
				return s.ReplaceTransaction(ctx, t)
			},
			func(ctx context.Context, s broker.GrantStore) string {
				t, _ := s.Transaction(ctx, key)
				return t.State
			}, "", "replaced",
		},
		"DeleteTransaction": {
			func(ctx context.Context, s broker.GrantStore) error { return s.DeleteTransaction(ctx, key) },
			func(ctx context.Context, s broker.GrantStore) string {
				_, err := s.Transaction(ctx, key)
				return word(err)
			}, "present", "absent",
		},
		"CreateGrant": {
			func(ctx context.Context, s broker.GrantStore) error {
				return s.CreateGrant(ctx, &broker.Grant{ID: "new", ExpiresAt: expires})
			},
			func(ctx context.Context, s broker.GrantStore) string {
				_, err := s.Grant(ctx, "new")
				return word(err)
			}, "absent", "present",
		},
		"ReplaceGrant": {
			func(ctx context.Context, s broker.GrantStore) error {
				return s.ReplaceGrant(ctx, &broker.Grant{ID: "g", Version: 1, TokensID: "replaced", ExpiresAt: expires})
			},
			func(ctx context.Context, s broker.GrantStore) string {
				g, _ := s.Grant(ctx, "g")
				return g.TokensID
			}, "", "replaced",
		},
		"CreateTokens": {
			func(ctx context.Context, s broker.GrantStore) error {
				return s.CreateTokens(ctx, &broker.SealedTokens{ID: "new", ExpiresAt: expires})
			},
			func(ctx context.Context, s broker.GrantStore) string {
				_, err := s.Tokens(ctx, "new")
				return word(err)
			}, "absent", "present",
		},
		"ReplaceTokens": {
			func(ctx context.Context, s broker.GrantStore) error {
				return s.ReplaceTokens(ctx, &broker.SealedTokens{ID: "t", Version: 1, Sealed: []byte("replaced"), ExpiresAt: expires})
			},
			func(ctx context.Context, s broker.GrantStore) string {
				t, _ := s.Tokens(ctx, "t")
				return string(t.Sealed)
			}, "", "replaced",
		},
		"DeleteTokens": {
			func(ctx context.Context, s broker.GrantStore) error { return s.DeleteTokens(ctx, "t", 1) },
			func(ctx context.Context, s broker.GrantStore) string {
				_, err := s.Tokens(ctx, "t")
				return word(err)
			}, "present", "absent",
		},
		"PutConsent": {
			func(ctx context.Context, s broker.GrantStore) error {
				return s.PutConsent(ctx, &broker.Consent{Key: "new", ExpiresAt: expires})
			},
			func(ctx context.Context, s broker.GrantStore) string {
				_, err := s.Consent(ctx, "new")
				return word(err)
			}, "absent", "present",
		},
		"PutMachineToken": {
			func(ctx context.Context, s broker.GrantStore) error {
				return s.PutMachineToken(ctx, &broker.MachineToken{ID: "new", ExpiresAt: expires})
			},
			func(ctx context.Context, s broker.GrantStore) string {
				_, err := s.MachineToken(ctx, "new")
				return word(err)
			}, "absent", "present",
		},
		"DeleteConsent": {
			func(ctx context.Context, s broker.GrantStore) error { return s.DeleteConsent(ctx, "c") },
			func(ctx context.Context, s broker.GrantStore) string {
				_, err := s.Consent(ctx, "c")
				return word(err)
			}, "present", "absent",
		},
		"Transaction": {call: func(ctx context.Context, s broker.GrantStore) error {
			got, err := s.Transaction(ctx, key)
			return nothing(got, err)
		}},
		"Grant": {call: func(ctx context.Context, s broker.GrantStore) error {
			got, err := s.Grant(ctx, "g")
			return nothing(got, err)
		}},
		"Consent": {call: func(ctx context.Context, s broker.GrantStore) error {
			got, err := s.Consent(ctx, "c")
			return nothing(got, err)
		}},
		"MachineToken": {call: func(ctx context.Context, s broker.GrantStore) error {
			got, err := s.MachineToken(ctx, "m")
			return nothing(got, err)
		}},
		"LeftTransaction": {call: func(ctx context.Context, s broker.GrantStore) error {
			got, err := s.LeftTransaction(ctx, transaction().Key.String())
			return nothing(got, err)
		}},
		"Tokens": {call: func(ctx context.Context, s broker.GrantStore) error {
			got, err := s.Tokens(ctx, "t")
			return nothing(got, err)
		}},
		"OfUser": {call: func(ctx context.Context, s broker.GrantStore) error {
			var last error
			for _, last = range s.OfUser(ctx, "user") {
			}
			return last
		}},
		"GrantsOf": {call: func(ctx context.Context, s broker.GrantStore) error {
			var last error
			for _, last = range s.GrantsOf(ctx, "client") {
			}
			return last
		}},
		"ListGrants": {call: func(ctx context.Context, s broker.GrantStore) error {
			var last error
			for _, last = range s.ListGrants(ctx) {
			}
			return last
		}},
	}
	for port := range reflect.TypeFor[broker.GrantStore]().Methods() {
		name := port.Name
		m, ok := methods[name]
		if !ok {
			t.Errorf("%s is not tested here", name)
			continue
		}
		for _, point := range []fake.Point{fake.NotApplied, fake.ReplyLost} {
			t.Run(name+" "+point.String(), func(t *testing.T) {
				store := memory.NewStore(nil)
				for _, err := range []error{
					store.CreateTransaction(t.Context(), transaction()),
					store.CreateGrant(t.Context(), &broker.Grant{ID: "g", ExpiresAt: expires}),
					store.CreateTokens(t.Context(), &broker.SealedTokens{ID: "t", ExpiresAt: expires}),
					store.PutConsent(t.Context(), &broker.Consent{Key: "c", ExpiresAt: expires}),
					store.PutMachineToken(t.Context(), &broker.MachineToken{ID: "m", ExpiresAt: expires}),
				} {
					if err != nil {
						t.Fatal(err)
					}
				}
				s := fake.NewStore(store)
				s.FailNext(name, 1, point)
				if err := m.call(t.Context(), s); !errors.Is(err, fake.ErrInjected) {
					t.Errorf("got error %v, want %v", err, fake.ErrInjected)
				}
				if n := s.Calls(name); n != 1 {
					t.Errorf("calls: got %d, want 1", n)
				}
				if m.left == nil {
					if err := m.call(t.Context(), s); err != nil {
						t.Errorf("the second call: got error %v, want none", err)
					}
					return
				}
				want := m.before
				if point == fake.ReplyLost {
					want = m.after
				}
				if got := m.left(t.Context(), store); got != want {
					t.Errorf("stored state: got %q, want %q", got, want)
				}
			})
		}
	}
}

func word(err error) string {
	if errors.Is(err, broker.ErrNotFound) {
		return "absent"
	}
	return "present"
}

// nothing returns err, or an error if a result came with err.
func nothing[T any](got *T, err error) error {
	if err != nil && got != nil {
		return errors.New("a result came with the error")
	}
	return err
}

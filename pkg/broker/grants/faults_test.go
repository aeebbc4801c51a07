package grants_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/test/fake"
	kit "github.com/dcr-broker/dcr-broker/test/world"
)

// Each effect fails once, in both ways. The end succeeds, or can be repeated and
// then completes. Each grant is counted once.
func TestEndAfterEachFault(t *testing.T) {
	tests := []struct {
		name string
		end  func(w *world, one *broker.Grant) (int, error)
		all  bool // both grants of ann end, not only one
	}{
		{"EndByID", func(w *world, one *broker.Grant) (int, error) {
			err := w.EndByID(w.T.Context(), one.ID)
			return 1, err // EndByID counts nothing
		}, false},
		{"EndGrant with the grant as it was read first", func(w *world, one *broker.Grant) (int, error) {
			return 1, w.EndGrant(w.T.Context(), w.Keys, one.Clone())
		}, false},
		{"EndGrant with the grant as the failed call left it", func(w *world, one *broker.Grant) (int, error) {
			return 1, w.EndGrant(w.T.Context(), w.Keys, one)
		}, false},
		{"EndOfClient", func(w *world, _ *broker.Grant) (int, error) { return w.EndOfClient(w.T.Context(), "a", nil) }, true},
		{"EndOfUser", func(w *world, _ *broker.Grant) (int, error) { return w.EndOfUser(w.T.Context(), "ann") }, true},
	}
	start := func(t *testing.T) (w *world, one, two, other *broker.Grant) {
		w = newWorld(t)
		return w, w.grant("a", "g", "ann", "s"), w.grant("a", "g", "ann", "s"), w.grant("b", "g", "bob", "s")
	}
	for _, tt := range tests {
		var trace fake.Trace // of a call without faults
		w, one, _, _ := start(t)
		w.Store.TraceTo(&trace)
		w.cognito.TraceTo(&trace)
		if _, err := tt.end(w, one); err != nil {
			t.Fatalf("%s = %v", tt.name, err)
		}
		for _, call := range trace.Calls() {
			for _, point := range kit.Points {
				t.Run(tt.name+"/"+call.String()+", "+point.String(), func(t *testing.T) {
					w, one, two, other := start(t)
					before := one.Clone()
					faults := w.Store.Faults
					if call.Method == "Revoke" {
						faults = w.cognito.Faults
					}
					faults.FailCall(call.Method, call.N, point)
					ended, err := tt.end(w, one)
					if faults.Calls(call.Method) < call.N {
						t.Errorf("%s was not reached", call)
					}
					if err != nil {
						if !errors.Is(err, fake.ErrInjected) {
							t.Errorf("error %v, want %v", err, fake.ErrInjected)
						}
						n, err := tt.end(w, one)
						if err != nil {
							t.Errorf("repeated: %v", err)
						}
						ended += n
					}
					w.wantEnded(before)
					if tt.all {
						w.wantEnded(two)
						if ended != 2 {
							t.Errorf("the calls count %d grants, want 2", ended)
						}
					} else {
						w.wantStanding(two)
					}
					w.wantStanding(other)
					if !w.remembered(other) {
						t.Error("the consent of another user is deleted")
					}
				})
			}
		}
	}
}

// A step that fails leaves what a repeated call needs: the tokens are deleted only
// after they were revoked, and the head names them until they are deleted.
func TestTheOrderOfTheEnd(t *testing.T) {
	var trace fake.Trace
	w := newWorld(t)
	g := w.grant("a", "g", "ann", "s")
	w.Store.TraceTo(&trace)
	w.cognito.TraceTo(&trace)
	if err := w.EndGrant(t.Context(), w.Keys, g); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, call := range trace.Calls() {
		got = append(got, call.Method)
	}
	want := []string{"ReplaceGrant", "DeleteConsent", "Tokens", "Revoke", "DeleteTokens", "ReplaceGrant"}
	if !slices.Equal(got, want) {
		t.Errorf("calls %q, want %q", got, want)
	}
}

// The consents of a user are deleted even if their grants have ended or expired.
func TestEndOfUserDeletesConsentsWithoutAGrant(t *testing.T) {
	w := newWorld(t)
	remember := func(g *broker.Grant) {
		err := w.Inner.PutConsent(t.Context(), &broker.Consent{
			Key: g.ConsentKey, Sub: g.User.Sub, ClientID: g.ClientID, ExpiresAt: w.Now().Add(60 * kit.Day),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	ended, expired := w.grant("a", "g", "ann", "s"), w.grant("b", "g", "ann", "s")
	endedOfBob, expiredOfBob := w.grant("a", "g", "bob", "s"), w.grant("b", "g", "bob", "s")
	for _, g := range []*broker.Grant{ended, endedOfBob} {
		if err := w.EndByID(t.Context(), g.ID); err != nil {
			t.Fatal(err)
		}
	}
	for _, g := range []*broker.Grant{ended, expired, endedOfBob, expiredOfBob} {
		remember(g)
	}
	w.Wait(31 * kit.Day)
	standing := w.grant("a", "other", "bob", "s")
	w.cognito.revoked = nil
	if n, err := w.EndOfUser(t.Context(), "ann"); n != 0 || err != nil {
		t.Errorf("EndOfUser = %d, %v, want no grant", n, err)
	}
	for name, g := range map[string]*broker.Grant{"ended": ended, "expired": expired} {
		if w.remembered(g) {
			t.Errorf("the consent of the grant that has %s is remembered", name)
		}
	}
	for name, g := range map[string]*broker.Grant{"ended": endedOfBob, "expired": expiredOfBob, "not ended": standing} {
		if !w.remembered(g) {
			t.Errorf("another user's consent, whose grant has %s, is deleted", name)
		}
	}
	w.wantStanding(standing)
	if len(w.cognito.revoked) > 0 {
		t.Errorf("%q were revoked, want nothing", w.cognito.revoked)
	}
}

// wrongIndex is a store whose index by user has an entry of another user.
type wrongIndex struct {
	*fake.Store
	entry string // id of a grant
}

func (s wrongIndex) OfUser(context.Context, string) iter.Seq2[broker.UserRecord, error] {
	return func(yield func(broker.UserRecord, error) bool) { yield(broker.UserRecord{Grant: s.entry}, nil) }
}

func TestEndOfUserChecksTheUserOfEachGrant(t *testing.T) {
	w := newWorld(t)
	g := w.grant("a", "g", "bob", "s")
	e := w.Brokered.Ender(wrongIndex{w.Store, g.ID}, w.cognito)
	if n, err := e.EndOfUser(t.Context(), "ann"); n != 0 || err != nil {
		t.Errorf("EndOfUser = %d, %v, want no grant", n, err)
	}
	w.wantStanding(g)
}

// If DeleteConsent fails for one consent of the user, EndOfUser deletes the
// others.
func TestEndOfUserContinuesAfterAConsentThatIsNotDeleted(t *testing.T) {
	w := newWorld(t)
	all := []*broker.Grant{w.grant("a", "g", "ann", "s"), w.grant("b", "g", "ann", "s"), w.grant("c", "g", "ann", "s")}
	w.Wait(31 * kit.Day) // so that only consents are left
	for _, g := range all {
		err := w.Inner.PutConsent(t.Context(), &broker.Consent{Key: g.ConsentKey, Sub: "ann", ExpiresAt: w.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
	}
	w.Store.FailCall("DeleteConsent", 1, fake.NotApplied)
	if _, err := w.EndOfUser(t.Context(), "ann"); !errors.Is(err, fake.ErrInjected) {
		t.Errorf("EndOfUser = %v, want %v", err, fake.ErrInjected)
	}
	left := 0
	for _, g := range all {
		if w.remembered(g) {
			left++
		}
	}
	if left != 1 {
		t.Errorf("%d consents are left, want only the one that could not be deleted", left)
	}
}

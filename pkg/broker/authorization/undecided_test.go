package authorization_test

import (
	"context"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/authorization"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/janitor"
	"github.com/dcr-broker/dcr-broker/test/fake"
	kit "github.com/dcr-broker/dcr-broker/test/world"
)

// sweep sweeps the table and the sign-ins at Cognito.
func (s *stack) sweep() janitor.Report {
	s.T.Helper()
	b, err := kit.Assemble(kit.Parts{
		Mode: broker.ModeBrokered, Store: s.Store, Pool: s.Pool, Grants: s.Ender(s.Store, s.oauth), Keys: s.Ring, Policy: s.PolicySource, Now: s.Now,
	})
	if err != nil {
		s.T.Fatal(err)
	}
	done, err := b.Sweep(s.T.Context(), janitor.Options{})
	if err != nil {
		s.T.Errorf("Sweep: %v", err)
	}
	return done
}

// usable returns the number of sign-ins whose refresh token Cognito accepts.
func (s *stack) usable() int {
	n := 0
	for _, in := range s.oauth.SignIns() {
		if s.oauth.Usable(in.Newest) {
			n++
		}
	}
	return n
}

// However a sign-in ends without a grant, its refresh token at Cognito does not
// outlive the transaction, also if the browser's request could not revoke it.
func TestASignInWithoutAGrantEnds(t *testing.T) {
	decide := func(d authorization.Decision) func(*visit) {
		return func(v *visit) {
			_, _ = v.signedIn()
			csrf := v.csrf()
			v.oauth.FailNext("Revoke", 1, fake.NotApplied)
			_, _ = v.flow.Decide(v.T.Context(), v.secret, d, csrf)
		}
	}
	for name, tt := range map[string]struct {
		end func(v *visit)
		// want is how many sign-ins the sweep revokes.
		want int
		// granted is whether a grant has the sign-in.
		granted bool
	}{
		"the user closes the tab":               {func(v *visit) { _, _ = v.signedIn() }, 1, false},
		"Cancel, and Cognito cannot be reached": {decide(authorization.Cancel), 1, false},
		"another account, and the same":         {decide(authorization.SwitchAccount), 1, false},
		"Allow":                                 {decide(authorization.Allow), 0, true},
		"Allow, and the grant cannot be stored": {func(v *visit) {
			v.Store.FailNext("CreateGrant", 1, fake.NotApplied)
			decide(authorization.Allow)(v)
		}, 1, false},
		"the process dies at the decision": {func(v *visit) {
			_, _ = v.signedIn()
			csrf := v.csrf()
			v.Store.DieAt("TakeStep", v.Store.Calls("TakeStep")+1, fake.ReplyLost, v.oauth.Faults)
			_, _ = v.allow(csrf)
		}, 1, false},
		"the sign-in cannot be stored at first": {func(v *visit) {
			v.Store.FailNext("ReplaceTransaction", 1, fake.NotApplied)
			v.oauth.FailNext("Revoke", 1, fake.NotApplied)
			_, _ = v.signedIn()
		}, 1, false},
		"the reply of the store is lost": {func(v *visit) {
			v.Store.FailNext("ReplaceTransaction", 1, fake.ReplyLost)
			v.oauth.FailNext("Revoke", 1, fake.NotApplied)
			_, _ = v.signedIn()
		}, 1, false},
		"the client was disabled meanwhile": {func(v *visit) {
			_, _ = v.signedIn()
			csrf := v.csrf()
			r := v.Registration(v.client)
			r.State = broker.RegistrationDisabled
			if err := v.Inner.ReplaceRegistration(v.T.Context(), r); err != nil {
				v.T.Fatal(err)
			}
			v.oauth.FailNext("Revoke", 1, fake.NotApplied)
			_, _ = v.allow(csrf)
		}, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStack(t)
			tt.end(s.begin())
			s.Store.Reset()
			s.oauth.Reset()
			if n := s.usable(); n != 1 {
				t.Fatalf("%d sign-ins before the end of the transaction, want 1", n)
			}
			s.Wait(broker.TransactionLifetime)
			if done := s.sweep(); done.EndedSignIns != 0 {
				t.Errorf("at the end of the transaction a sweep ends %d sign-ins; a request may still use it", done.EndedSignIns)
			}
			s.Wait(broker.TransactionLifetime)
			s.oauth.FailNext("Revoke", 1, fake.NotApplied)
			if done := s.sweep(); done.Failed != tt.want {
				t.Errorf("with a revocation that fails, %d failed, want %d", done.Failed, tt.want)
			}
			s.oauth.Reset()
			done := s.sweep()
			if n := s.usable(); done.EndedSignIns != tt.want || n > 0 != tt.granted {
				t.Errorf("a sweep ended %d sign-ins, and %d are left, want %d and %t", done.EndedSignIns, n, tt.want, tt.granted)
			}
			if again := s.sweep(); again != (janitor.Report{}) {
				t.Errorf("a second sweep = %+v, want nothing to do", again)
			}
			for d, err := range s.Inner.Due(context.Background(), s.Now(), "") {
				t.Errorf("%s %s is still due, %v", d.Kind, d.Key, err)
			}
		})
	}
}

// Cognito may count two sign-ins of a browser as one. The end of a transaction does
// not end the grant of another one.
func TestASignInWithAGrantOfAnotherTransactionStays(t *testing.T) {
	s := newStack(t)
	v := s.begin()
	if _, err := v.signedIn(); err != nil {
		t.Fatal(err)
	}
	to, err := v.allow(v.csrf())
	if err != nil {
		t.Fatal(err)
	}
	v.wantCode(to)
	in := s.oauth.SignIns()[0]
	undecided := &broker.Transaction{
		Key: credential.NewRegistrationAccessToken().Hash(), Step: broker.StepSignedIn, ClientID: s.client, OriginJTI: in.Origin,
		AppClient: broker.SharedAppClientKey("open"), CognitoID: in.AppID, ExpiresAt: s.Clock.Second().Add(broker.TransactionLifetime),
	}
	undecided.SetTokens(s.Keys, broker.Tokens{RefreshToken: in.Newest})
	if err := s.Inner.CreateTransaction(t.Context(), undecided); err != nil {
		t.Fatal(err)
	}
	s.Wait(2 * broker.TransactionLifetime)
	if done := s.sweep(); done.EndedSignIns != 0 || s.usable() != 1 {
		t.Errorf("the sweep ended %d sign-ins, and %d are left, want none and 1", done.EndedSignIns, s.usable())
	}
}

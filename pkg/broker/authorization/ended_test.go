package authorization_test

import (
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/authorization"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// end uses the code of the address twice, as a thief and the client do, so that the
// grant ends and Cognito's tokens are revoked.
func (v *visit) end(to string) {
	v.T.Helper()
	code := must.ParseURL(v.T, to).Query().Get("code")
	if _, err := v.redeem(code); err != nil {
		v.T.Fatal(err)
	}
	if _, err := v.redeem(code); err == nil {
		v.T.Fatal("the code was accepted twice")
	}
	if g := v.Grant(broker.GrantID(v.Keys, v.origin, 0)); g.Unfinished() {
		v.T.Fatal("the grant has not ended")
	}
}

// A grant that has ended is not given again by the same transaction: neither when
// the user sends the form of the consent page again, nor by a process that stood
// still before it stored the grant.
func TestAnEndedGrantIsNotGivenAgain(t *testing.T) {
	t.Run("the form is sent again", func(t *testing.T) {
		s := newStack(t)
		v := s.begin()
		if _, err := v.signedIn(); err != nil {
			t.Fatal(err)
		}
		csrf := v.csrf()
		to, err := v.allow(csrf)
		if err != nil {
			t.Fatal(err)
		}
		v.end(to)
		if again, err := v.allow(csrf); err == nil {
			t.Errorf("a second Allow leads to %s, want a Problem", again)
		}
		if q, err := v.flow.Ask(t.Context(), v.secret); err == nil {
			t.Errorf("the consent page asks again, or leads to %q, want a Problem", q.ClientURL)
		}
		v.wantOneGrant()
	})
	for _, method := range []string{"CreateTokens", "CreateGrant"} {
		t.Run("a process stood still before "+method, func(t *testing.T) {
			s := newStack(t)
			v := s.begin()
			if _, err := v.signedIn(); err != nil {
				t.Fatal(err)
			}
			csrf := v.csrf()
			s.Store.Before(method, func() error {
				to, err := v.allow(csrf)
				if err != nil {
					t.Fatal(err)
				}
				v.end(to)
				return nil
			})
			o, err := v.flow.Decide(t.Context(), v.secret, authorization.Allow, csrf)
			s.Store.Reset()
			if err == nil {
				t.Errorf("the first Allow leads to %s, want a Problem", o.URL)
			}
			v.wantOneGrant()
		})
	}
}

func (v *visit) wantOneGrant() {
	v.T.Helper()
	all := v.AllGrants()
	for _, g := range all {
		if g.Unfinished() {
			v.T.Errorf("grant %s is still in force", g.ID)
		}
		if tokens := v.stored(g.ID); tokens != nil {
			v.T.Errorf("the tokens of grant %s are still stored", g.ID)
		}
	}
	if len(all) != 1 {
		v.T.Errorf("%d grants, want 1", len(all))
	}
	if _, err := v.Inner.Consent(v.T.Context(), all[0].ConsentKey); err != broker.ErrNotFound {
		v.T.Errorf("the remembered consent: %v, want it deleted", err)
	}
}

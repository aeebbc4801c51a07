package authorization_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker/authorization"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// A process stands still while it stores what the user has allowed, until its
// context ends. The user presses Allow again, and another process stores the grant.
// The first one must not end what it finds.
func TestADecisionThatIsOvertaken(t *testing.T) {
	for _, method := range []string{"CreateTokens", "CreateGrant"} {
		for _, unreadable := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s, %d reads fail", method, unreadable), func(t *testing.T) {
				s := newStack(t)
				v := s.begin()
				if _, err := v.signedIn(); err != nil {
					t.Fatal(err)
				}
				csrf := v.csrf()
				ctx, cancel := context.WithCancel(t.Context())
				var to string
				s.Store.Before(method, func() error {
					var err error
					if to, err = v.allow(csrf); err != nil {
						t.Errorf("the second Allow: %v", err)
					}
					cancel()
					s.Store.FailNext("Tokens", 1, fake.NotApplied)
					s.Store.FailNext("Grant", unreadable, fake.NotApplied)
					return ctx.Err()
				})
				o, err := v.flow.Decide(ctx, v.secret, authorization.Allow, csrf)
				s.Store.Reset()
				if unreadable == 1 && (err != nil || o.URL != to) {
					t.Errorf("the first Allow = %q, %v, want %q", o.URL, err, to)
				}
				if p, ok := errors.AsType[*authorization.Problem](err); unreadable == 2 && (!ok || p.Kind != authorization.Undecided) {
					t.Errorf("the first Allow, which cannot read the grant = %v, want Undecided", err)
				}
				v.wantCode(to)
			})
		}
	}
}

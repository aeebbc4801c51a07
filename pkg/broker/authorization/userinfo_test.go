package authorization

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// A sign-in continues whatever userInfo answers, and never has the address of
// another user.
func TestUserInfoNamesTheUserAndStopsNoSignIn(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(context.Context) (broker.UserInfo, error)
		email  string
		waits  time.Duration
	}{
		{"an address", func(context.Context) (broker.UserInfo, error) {
			return broker.UserInfo{Sub: "alice", Email: "alice@example.com"}, nil
		}, "alice@example.com", 0},
		{"no verified address", func(context.Context) (broker.UserInfo, error) { return broker.UserInfo{Sub: "alice"}, nil }, "", 0},
		{"another user", func(context.Context) (broker.UserInfo, error) {
			return broker.UserInfo{Sub: "mallory", Email: "bob@example.com"}, nil
		}, "", 0},
		{"an address with an error", func(context.Context) (broker.UserInfo, error) {
			return broker.UserInfo{Sub: "alice", Email: "alice@example.com"}, errors.New("cut off")
		}, "", 0},
		{"an error", func(context.Context) (broker.UserInfo, error) { return broker.UserInfo{}, errors.New("down") }, "", 0},
		{"no answer", func(ctx context.Context) (broker.UserInfo, error) {
			<-ctx.Done()
			return broker.UserInfo{}, ctx.Err()
		}, "", time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				s, c := w.begin(), w.config()
				c.Cognito = cognito{now: w.clock.Now, userInfo: tt.answer}
				flow, err := New(c)
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				if to, err := flow.SignedIn(t.Context(), s, callback(s)); err != nil || to != "" {
					t.Fatalf("SignedIn = %q, %v, want the consent page", to, err)
				}
				if waited := time.Since(began); waited != tt.waits {
					t.Errorf("waited %s, want %s", waited, tt.waits)
				}
				if u := w.transaction(s).User; u.Email != tt.email || u.Sub != "alice" || u.Username != "alice" {
					t.Errorf("user %s, %q, %q, want alice with the address %q", u.Sub, u.Username, u.Email, tt.email)
				}
			})
		})
	}
}

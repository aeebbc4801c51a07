package registration_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/world"
)

// In direct mode a stranger can use up the calls of a second with a few requests. It
// must not ring the alarm for failures of the broker. A throttled Cognito does.
func TestTheLimitOfCallsIsNoFailure(t *testing.T) {
	busy := dcr.Errorf(dcr.Unavailable, "too many clients are being registered")
	busy.RetryAfter = 2 * time.Second
	for _, tt := range []struct {
		name string
		err  error
		want dcr.Code
	}{
		{"the limit of this deployment", fmt.Errorf("%w: %w", busy, broker.ErrCallLimit), dcr.TooManyRequests},
		{"Cognito's", busy, dcr.Unavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := world.New(t)
			info, tok := w.MustRegister(world.PublicBody, world.None)
			for _, call := range []string{"Create", "Update", "Delete"} {
				w.Pool.Around(call, func(func() error) error { return &broker.NotAppliedError{Err: tt.err} })
			}
			want := func(what string, err error) {
				t.Helper()
				if e := world.WantCode(t, what, err, tt.want); e.RetryAfter != busy.RetryAfter || e.Description != busy.Description {
					t.Errorf("%s: %v, want to try again in %v", what, e, busy.RetryAfter)
				}
			}
			_, err := w.Register(t.Context(), world.Request(t, world.PublicBody), world.None)
			want("Register", err)
			_, err = w.Update(t.Context(), info.ClientID, tok, world.Update(t, world.PublicBody, info.ClientID, "client_name", "Other"))
			want("Update", err)
			want("Delete", w.Delete(t.Context(), info.ClientID, tok))
		})
	}
}

// A client that sends several requests about itself at once must not ring the alarm
// for failures of the broker either. A failure beside the conflict does.
func TestRequestsThatOvertakeOneAnotherAreNoFailure(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want dcr.Code
	}{
		{"overtaken", fmt.Errorf("record: %w", broker.ErrConflict), dcr.TooManyRequests},
		{"overtaken, and a failure", errors.Join(broker.ErrConflict, errors.New("no answer")), dcr.Unavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := world.New(t)
			info, tok := w.MustRegister(world.PublicBody, world.None)
			overtaken := func(method, what string, call func() error) {
				t.Helper()
				w.Store.Before(method, func() error { return tt.err })
				err := call()
				w.Store.Reset()
				if e := world.WantCode(t, what+", "+method, err, tt.want); e != nil && e.RetryAfter <= 0 {
					t.Errorf("%s, %s: no Retry-After", what, method)
				}
			}
			update := func() error {
				_, err := w.Update(t.Context(), info.ClientID, tok, world.Update(t, world.PublicBody, info.ClientID, "client_name", "Other"))
				return err
			}
			overtaken("ReplaceAppClient", "Update", update)
			overtaken("ReplaceAppClient", "Delete", func() error { return w.Delete(t.Context(), info.ClientID, tok) })
			next, err := w.Update(t.Context(), info.ClientID, tok, world.Update(t, world.PublicBody, info.ClientID))
			if err != nil {
				t.Fatal(err)
			}
			overtaken("ReplaceRegistration", "the first Read with the new token", func() error {
				_, err := w.Read(t.Context(), info.ClientID, credential.Presented(next.RegistrationAccessToken))
				return err
			})
			overtaken("ReplaceRegistration", "Update", update)
		})
	}
}

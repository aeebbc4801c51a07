package registration_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
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

package direct

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/broker/provision"
	"github.com/dcr-broker/dcr-broker/pkg/broker/registration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// A Switch ends registrations of direct mode for clients and operators, in
// either mode of the deployment. It does not call Cognito: the janitor removes
// the app clients.
type Switch struct {
	store broker.Store
	now   func() time.Time
	trail broker.AuditTrail
}

var _ registration.Deleter = (*Switch)(nil)

// NewSwitch returns a Switch. All parameters are REQUIRED.
func NewSwitch(store broker.Store, now func() time.Time, log *slog.Logger) *Switch {
	return &Switch{store: store, now: now, trail: broker.AuditTrail{Log: log}}
}

// Delete implements registration.Deleter.
func (s *Switch) Delete(ctx context.Context, r *broker.Registration) error {
	_, notWritten, err := beginDeletion(ctx, s.store, s.trail, r, broker.Seconds(s.now()))
	if err != nil {
		return err
	}
	if notWritten != nil {
		return registration.Unavailable(notWritten)
	}
	return nil
}

// beginDeletion marks the app client of r for removal and r as being deleted,
// and returns the record of the app client. Without an app client, it deletes r
// and returns nil. From then on the client gets no tokens, even if Cognito
// cannot be reached. notWritten is the error of writing r after the mark.
func beginDeletion(ctx context.Context, store broker.Store, trail broker.AuditTrail, r *broker.Registration, now time.Time) (_ *broker.AppClient, notWritten, err error) {
	deleted := func() {
		if r.State != broker.RegistrationDeleting {
			trail.End(ctx, telemetry.RegistrationDeleted, broker.ByClient(r), r, broker.RegistrationDeleted)
		}
	}
	a, err := appClientOf(ctx, store, r)
	if errors.Is(err, broker.ErrNotFound) {
		if err := store.DeleteRegistration(ctx, r.ClientID, r.Generation); err != nil {
			return nil, nil, registration.Unavailable(err)
		}
		deleted()
		return nil, nil, nil
	}
	if err == nil {
		err = broker.BeginRemoval(ctx, store, a, now)
	}
	if err != nil {
		return nil, nil, registration.Unavailable(err)
	}
	deleted()
	r.State = broker.RegistrationDeleting
	if notWritten = broker.ReplaceRegistration(ctx, store, r); errors.Is(notWritten, broker.ErrNotFound) {
		notWritten = nil
	}
	return a, notWritten, nil
}

// SwitchOff implements operator.Lifecycle. A disabled client keeps its app
// client, because Cognito never creates one with the same id again.
func (s *Switch) SwitchOff(ctx context.Context, r *broker.Registration, state broker.RegistrationState) error {
	if state != broker.RegistrationDeleted || r.AppClient == "" {
		return nil
	}
	return provision.RequestRemoval(ctx, s.store, r.AppClient, s.now())
}

// Serves implements operator.Lifecycle. The client has the id of its app
// client, and Cognito never creates one with this id again.
func (s *Switch) Serves(ctx context.Context, r *broker.Registration) error {
	a, err := s.store.AppClient(ctx, r.AppClient)
	if errors.Is(err, broker.ErrNotFound) || err == nil && a.State == broker.AppClientRemoving {
		return fmt.Errorf("its app client no longer exists: %w", &broker.StateError{ClientID: r.ClientID, State: r.State})
	}
	if err != nil {
		return fmt.Errorf("read app client %s: %w", r.AppClient, err)
	}
	return nil
}

// NewRegistration is operator.Config.NewRegistration in direct mode: a client has
// the id of an app client that exists, so no client can be registered ahead.
func NewRegistration(*policy.Profile, string, dcr.ClientMetadata, time.Time) (*broker.Registration, error) {
	return nil, errors.New("clients are registered ahead in brokered mode only; in direct mode an app client can be adopted")
}

package brokered

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/provision"
	"github.com/dcr-broker/dcr-broker/pkg/broker/registration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// Update implements registration.Lifecycle. It changes no app client: the app
// clients belong to the broker, and only the scopes of a registration affect
// them. The janitor adds scopes at its next sweep.
func (l *Lifecycle) Update(ctx context.Context, c *registration.Change) error {
	if dcr.InOwnName(c.After.Metadata.GrantTypes) != dcr.InOwnName(c.Before.Metadata.GrantTypes) {
		return dcr.Errorf(dcr.InvalidClientMetadata, "grant_types: a client cannot change between authorization_code and client_credentials; register again")
	}
	if err := c.CheckSecret(c.Before.SecretHash); err != nil {
		return err
	}
	r := c.After
	c.Profile.CheckApproval(c.Before, r)
	if err := c.Commit(ctx); err != nil {
		return err
	}
	// Nothing else makes the app client due, so the client has to repeat the
	// update if this fails, although the registration is stored.
	if err := l.requestGrowth(ctx, r); err != nil {
		return registration.Unavailable(err)
	}
	return nil
}

// requestGrowth makes the dedicated app client of r due if it lacks scopes.
func (l *Lifecycle) requestGrowth(ctx context.Context, r *broker.Registration) error {
	return broker.ChangeAppClient(ctx, l.store, broker.DedicatedAppClientKey(r.ClientID, r.Generation), func(a *broker.AppClient) bool {
		lacking := slices.ContainsFunc(strings.Fields(r.Metadata.Scope), func(scope string) bool { return !slices.Contains(a.Scopes, scope) })
		if a.State != broker.AppClientReady || !lacking {
			return false
		}
		a.Due = broker.Seconds(l.now())
		return true
	})
}

// A Switch ends registrations of brokered mode for clients and operators, in
// either mode of the deployment. It does not call Cognito.
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

// Delete implements registration.Deleter. It deletes the registration, and
// leaves a dedicated app client to the janitor. The mark comes first: if the
// request stops after it, the client still exists, and the broker creates an
// app client again when it needs one. If a request is creating the app client
// at this moment, it is due later.
func (s *Switch) Delete(ctx context.Context, r *broker.Registration) error {
	if err := s.requestRemoval(ctx, r); err != nil {
		return registration.Unavailable(err)
	}
	if err := s.store.DeleteRegistration(ctx, r.ClientID, r.Generation); err != nil {
		return registration.Unavailable(err)
	}
	if r.State != broker.RegistrationDeleting {
		s.trail.End(ctx, telemetry.RegistrationDeleted, broker.ByClient(r), r, broker.RegistrationDeleted)
	}
	return nil
}

// SwitchOff implements operator.Lifecycle.
func (s *Switch) SwitchOff(ctx context.Context, r *broker.Registration, _ broker.RegistrationState) error {
	r.Stale = true
	return s.requestRemoval(ctx, r)
}

// Serves implements operator.Lifecycle. The broker creates an app client again
// when the client needs one.
func (*Switch) Serves(context.Context, *broker.Registration) error { return nil }

// requestRemoval leaves the app client that serves r alone to the janitor. The
// use that r took of its initial access token stays taken: if the intent of r
// is still there, the janitor would return the use when r is deleted.
func (s *Switch) requestRemoval(ctx context.Context, r *broker.Registration) error {
	if !r.Voucher.Open() {
		intent, err := broker.IntentOf(ctx, s.store, r.ClientID)
		if err == nil {
			err = broker.DeleteIntent(ctx, s.store, intent)
		}
		if err != nil && !errors.Is(err, broker.ErrNotFound) {
			return err
		}
	}
	return provision.RequestRemoval(ctx, s.store, broker.DedicatedAppClientKey(r.ClientID, r.Generation), s.now())
}

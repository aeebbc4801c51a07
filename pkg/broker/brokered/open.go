package brokered

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/broker/registration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// extendEvery is the precision of the lifetime of an unconfirmed registration: a
// repeated registration that would extend it by less writes nothing.
const extendEvery = time.Hour

// open registers a client without a voucher. Identical metadata gets the same
// client id, and no registration access token: one client could delete the
// registration of the others.
func (l *Lifecycle) open(ctx context.Context, a *registration.Admission) (*broker.Issued, error) {
	id, err := l.derivedID(ctx, a)
	if err != nil {
		return nil, err
	}
	issued := &broker.Registration{ClientID: id, Mode: broker.ModeBrokered, Metadata: a.Metadata.ClientMetadata}
	if at, ok := l.recent.issuedAt(id, a.Metadata.Scope, l.now()); ok {
		telemetry.SetAttr(ctx, telemetry.ClientID, id)
		telemetry.Count(ctx, telemetry.DedupeHits, 1)
		issued.IssuedAt = at
		return &broker.Issued{Registration: issued}, nil
	}
	r, err := l.deduplicated(ctx, a, id)
	if err != nil {
		return nil, err
	}
	// The client receives its own redirect URIs: the registration may have other
	// loopback ports.
	issued.IssuedAt = r.IssuedAt
	return &broker.Issued{Registration: issued}, nil
}

// derivedID returns the client id of an open registration.
func (l *Lifecycle) derivedID(ctx context.Context, a *registration.Admission) (string, error) {
	ring, err := l.keys(ctx)
	if err != nil {
		return "", registration.Unavailable(fmt.Errorf("keys: %w", err))
	}
	metadata, err := policy.Canonical(a.Metadata)
	if err != nil {
		return "", err
	}
	parts := []string{a.Profile.Name(), string(metadata)}
	if a.Statement != nil {
		// Claims of an issuer differ from the same metadata sent by the client
		// itself.
		stated, err := policy.Canonical(a.Statement.Metadata)
		if err != nil {
			return "", err
		}
		parts = append(parts, a.Statement.Issuer, string(stated))
	}
	return broker.ClientIDPrefix + credential.DerivedID(ring.MAC("client_id", parts...)), nil
}

// deduplicated returns the registration with this id. It creates the
// registration, extends it or leaves it unchanged.
func (l *Lifecycle) deduplicated(ctx context.Context, a *registration.Admission, id string) (*broker.Registration, error) {
	var last error
	take := sync.OnceValue(func() error { return a.Hour().Take(ctx, l.store) }) // a request counts once
	for range broker.Attempts {
		at := l.now()
		r, err := l.store.Registration(ctx, id)
		switch {
		case errors.Is(err, broker.ErrNotFound):
			r, err = l.registerFirst(ctx, a, id, take)
			if e, ok := errors.AsType[*dcr.Error](err); ok && e.Code == dcr.TooManyRequests {
				// Another request may have registered the same client meanwhile, perhaps
				// as the last of the hour.
				if made, readErr := l.store.Registration(ctx, id); readErr == nil {
					r, err = made, l.registerRepeated(ctx, a, made, take)
				}
			}
		case err == nil:
			err = l.registerRepeated(ctx, a, r, take)
		}
		if err == nil {
			l.recent.remember(r, a.Metadata.Scope, at)
			return r, nil
		}
		if !errors.Is(err, broker.ErrExists) && !errors.Is(err, broker.ErrConflict) && !errors.Is(err, broker.ErrNotFound) {
			return nil, registration.Unavailable(fmt.Errorf("registration %s: %w", id, err))
		}
		last = err // another request was faster; read its registration
	}
	return nil, registration.Unavailable(fmt.Errorf("registration %s: %w", id, last))
}

// registerFirst creates the registration. take counts it in its hour.
func (l *Lifecycle) registerFirst(ctx context.Context, a *registration.Admission, id string, take func() error) (*broker.Registration, error) {
	r := newRegistration(a.Profile, id, a.Metadata.ClientMetadata, a.At)
	if err := take(); err != nil {
		return nil, err
	}
	if err := broker.RecordRegistration(ctx, l.store, r); err != nil {
		return nil, err
	}
	l.trail.Created(ctx, a.Voucher.Actor(), nil, r)
	return r, nil
}

// registerRepeated handles a registration that already exists. Any client can
// repeat an open registration, so a repeat is not a use: once a user has used the
// registration, a repeat does not extend its life. After the end it is registered
// again.
func (l *Lifecycle) registerRepeated(ctx context.Context, a *registration.Admission, r *broker.Registration, take func() error) error {
	switch r.State {
	case broker.RegistrationDisabled, broker.RegistrationDeleted:
		return dcr.Errorf(dcr.InvalidClientMetadata, "the operator of this server has switched this client off")
	case broker.RegistrationDeleting:
		return registration.Unavailable(errors.New("it is being deleted"))
	case broker.RegistrationRemoved:
		return l.registerAgain(ctx, a, r, take)
	}
	before, changed := r.Clone(), false
	if r.State == broker.RegistrationPending && a.Profile.Approval() == policy.ApprovalNone {
		r.State, changed = broker.RegistrationActive, true // it no longer needs approval
	}
	if until := policy.UnconfirmedUntil(a.Profile, l.now()); !r.ExpiresAt.IsZero() && (until.IsZero() || until.Sub(r.ExpiresAt) >= extendEvery) {
		r.ExpiresAt, changed = until, true
	}
	if scope := a.Profile.RepeatedScope(r, a.Metadata.Scope); scope != r.Metadata.Scope {
		r.Metadata.Scope, changed = scope, true
		a.Profile.CheckApproval(before, r)
	}
	if changed {
		if err := l.store.ReplaceRegistration(ctx, r); err != nil {
			return err
		}
		l.trail.Change(ctx, telemetry.RegistrationUpdated, a.Voucher.Actor(), before, r)
	}
	broker.SetClientAttrs(ctx, r)
	telemetry.Count(ctx, telemetry.DedupeHits, 1)
	return nil
}

// registerAgain creates a new registration in place of the tombstone old.
// Grants of the former registration are not valid for it. If they have not
// ended yet, the janitor continues to end them.
func (l *Lifecycle) registerAgain(ctx context.Context, a *registration.Admission, old *broker.Registration, take func() error) error {
	r := newRegistration(a.Profile, old.ClientID, a.Metadata.ClientMetadata, a.At)
	if err := take(); err != nil {
		return err
	}
	generation := r.Generation
	r.Generation, r.Version = old.Generation, old.Version
	if !old.Due.IsZero() {
		r.Stale, r.Due, r.ExpiresAt = true, old.Due, time.Time{}
	}
	if err := l.store.RenewRegistration(ctx, r, generation); err != nil {
		return err
	}
	l.trail.Created(ctx, a.Voucher.Actor(), old, r)
	*old = *r
	return nil
}

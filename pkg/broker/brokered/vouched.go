package brokered

import (
	"context"
	"errors"
	"fmt"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/registration"
)

// vouched registers a separate client for the bearer of an initial access
// token, with a registration access token. The use of the initial access token
// is an effect that may have to be undone: an intent is written before it and
// removed after the registration.
func (l *Lifecycle) vouched(ctx context.Context, a *registration.Admission) (*broker.Issued, error) {
	r := newRegistration(a.Profile, broker.ClientIDPrefix+credential.NewID(), a.Metadata.ClientMetadata, a.At)
	r.Voucher = a.Voucher
	intent := &broker.Intent{
		Profile:    r.Profile,
		Use:        a.Use.Use,
		ClientID:   r.ClientID,
		Generation: r.Generation,
		CreatedAt:  r.IssuedAt,
		Due:        r.IssuedAt.Add(broker.Grace),
	}
	if err := broker.RecordIntent(ctx, l.store, intent); err != nil {
		return nil, registration.Unavailable(fmt.Errorf("record registration in the making: %w", err))
	}
	err := a.Use.Take(ctx, l.store, intent.Key())
	if err == nil {
		err = a.Hour().Take(ctx, l.store)
	}
	if err != nil {
		l.discard(ctx, intent)
		return nil, err
	}

	issued := &broker.Issued{Registration: r, AccessToken: credential.NewRegistrationAccessToken()}
	r.AccessTokens = broker.AccessTokens{Current: issued.AccessToken.Hash()}
	if !r.Metadata.Public() {
		secret := credential.NewClientSecret()
		r.SecretHash, issued.ClientSecret = secret.Hash(), secret.Reveal()
	}
	if err := broker.RecordRegistration(ctx, l.store, r); err != nil {
		l.rollBack(ctx, intent)
		return nil, registration.Unavailable(fmt.Errorf("record registration: %w", err))
	}
	if err := l.settle(ctx, intent); err != nil {
		l.rollBack(ctx, intent)
		return nil, registration.Unavailable(err)
	}
	l.trail.Created(ctx, a.Voucher.Actor(), nil, r)
	return issued, nil
}

// settle ends the intent of a registration that is recorded. It first writes that
// the intent holds no use. A sweep that considers this request dead writes that the
// intent is cancelled, and both writes need the version that was read, so only one
// of them succeeds. If it is the other one, a sweep may delete the registration
// and return its use at any time from now on, so the caller undoes the
// registration.
func (l *Lifecycle) settle(ctx context.Context, intent *broker.Intent) error {
	settled := *intent
	if err := settled.Settle(ctx, l.store); err != nil {
		return fmt.Errorf("settle the registration %s: %w", intent.ClientID, err)
	}
	broker.LogUnfinished(ctx, l.log, intent.Key(), broker.DeleteIntent(ctx, l.store, &settled))
	return nil
}

// discard returns the use that a registration took before it was recorded.
// The janitor repeats a step that fails here.
func (l *Lifecycle) discard(ctx context.Context, intent *broker.Intent) {
	ctx, cancel := broker.CleanupContext(ctx)
	defer cancel()
	err := registration.ReturnUse(ctx, l.store, intent.Use, intent.Key())
	if err == nil {
		err = broker.DeleteIntent(ctx, l.store, intent)
	}
	broker.LogUnfinished(ctx, l.log, intent.Key(), err)
}

// rollBack undoes a registration that may have been recorded. The intent is
// cancelled first; otherwise the janitor would consider the registration
// complete.
func (l *Lifecycle) rollBack(ctx context.Context, intent *broker.Intent) {
	ctx, cancel := broker.CleanupContext(ctx)
	defer cancel()
	err := intent.Cancel(ctx, l.store, l.now())
	if errors.Is(err, broker.ErrNotFound) {
		err = broker.RecordIntent(ctx, l.store, intent) // for the janitor, if a step fails here
	}
	// After a conflict the janitor does the same as this request.
	if err == nil || errors.Is(err, broker.ErrConflict) {
		err = finishCancelled(ctx, l.store, intent)
	}
	broker.LogUnfinished(ctx, l.log, intent.Key(), err)
}

// finishCancelled completes the missing steps for a cancelled intent.
func finishCancelled(ctx context.Context, store broker.Store, intent *broker.Intent) error {
	if err := store.DeleteRegistration(ctx, intent.ClientID, intent.Generation); err != nil {
		return fmt.Errorf("delete registration %s: %w", intent.ClientID, err)
	}
	if err := registration.ReturnUse(ctx, store, intent.Use, intent.Key()); err != nil {
		return err
	}
	return broker.DeleteIntent(ctx, store, intent)
}

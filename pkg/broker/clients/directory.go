package clients

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
)

// Directory looks up clients, authenticates them and records that they were
// used. It is safe for concurrent use.
type Directory struct {
	mode  broker.Mode
	store broker.Registrations
	now   func() time.Time
}

// New returns the Directory of the clients of that mode whose registrations are
// in store.
func New(mode broker.Mode, store broker.Registrations, now func() time.Time) *Directory {
	return &Directory{mode: mode, store: store, now: now}
}

// touchEvery is how exact LastUsedAt is.
const touchEvery = time.Hour

// clientIDAlphabet is Cognito's, and has that of the broker's own ids in it.
const ClientIDAlphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+"

// Client returns the registration of a client that may be used now, or
// ErrNotFound if there is none, or it is disabled, deleted, being deleted, or of
// the other mode. Of the errors that are ErrNotFound, broker.ErrPending and broker.ErrRemoved
// say why. clientID may be anything at all.
func (c *Directory) Client(ctx context.Context, clientID string) (*broker.Registration, error) {
	r, err := c.Registration(ctx, clientID)
	if err != nil {
		return nil, err
	}
	switch {
	case r.Mode != c.mode:
	case r.State == broker.RegistrationActive:
		return r, nil
	case r.State == broker.RegistrationPending:
		return nil, broker.ErrPending
	case r.State == broker.RegistrationRemoved:
		return nil, broker.ErrRemoved
	}
	return nil, broker.ErrNotFound
}

// registration returns the registration of a client, without troubling the
// store about what cannot be a client id of Cognito's or ours.
func (c *Directory) Registration(ctx context.Context, clientID string) (*broker.Registration, error) {
	if clientID == "" || len(clientID) > 128 || strings.Trim(clientID, ClientIDAlphabet) != "" {
		return nil, broker.ErrNotFound
	}
	return c.store.Registration(ctx, clientID)
}

// Touch records that the client of r was used now, unless that was recorded
// within the last hour. A registration that has been used does not expire as
// unconfirmed any more; r then says so, too.
func (c *Directory) Touch(ctx context.Context, r *broker.Registration) error {
	if r.Mode == broker.ModeBrokered && !r.ExpiresAt.IsZero() {
		// One write is enough for one request; when it was used is recorded the
		// next time.
		return c.confirm(ctx, r)
	}
	now := broker.Seconds(c.now())
	if now.Sub(r.LastUsedAt) < touchEvery {
		return nil
	}
	return c.store.TouchRegistration(ctx, r.ClientID, r.Generation, now)
}

// confirm takes the expiry off r, and has Sweep look at it from now on. Others may
// change it at the same time: it is extended by whoever registers the same.
func (c *Directory) confirm(ctx context.Context, r *broker.Registration) error {
	stored := r.Clone()
	now := broker.Seconds(c.now())
	for range broker.Attempts {
		stored.ExpiresAt, stored.ActiveSince, stored.Due = time.Time{}, now, now.Add(policy.FirstReview)
		err := c.store.ReplaceRegistration(ctx, stored)
		if err == nil {
			*r = *stored
			return nil
		}
		if !errors.Is(err, broker.ErrConflict) {
			return fmt.Errorf("confirm registration %s: %w", r.ClientID, err)
		}
		if stored, err = c.store.Registration(ctx, r.ClientID); err != nil {
			return fmt.Errorf("confirm registration %s: %w", r.ClientID, err)
		}
		if stored.Generation != r.Generation || stored.State != r.State {
			return fmt.Errorf("confirm registration %s: %w", r.ClientID, broker.ErrNotFound)
		}
		if stored.ExpiresAt.IsZero() {
			*r = *stored
			return nil
		}
	}
	return fmt.Errorf("confirm registration %s: %w", r.ClientID, broker.ErrConflict)
}

package broker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Clients answers who a client is and records that it was used, which is all
// that the authorize and token endpoints need. It is safe for concurrent use.
type Clients struct {
	mode  Mode
	store Registrations
	now   func() time.Time
}

// NewClients returns the Clients of direct mode whose registrations are in
// store.
func NewClients(store Registrations, now func() time.Time) *Clients {
	return &Clients{mode: ModeDirect, store: store, now: now}
}

// NewBrokeredClients returns the Clients of brokered mode whose registrations
// are in store.
func NewBrokeredClients(store Registrations, now func() time.Time) *Clients {
	return &Clients{mode: ModeBrokered, store: store, now: now}
}

// touchEvery is how exact LastUsedAt is.
const touchEvery = time.Hour

// clientIDAlphabet is Cognito's, and has that of the broker's own ids in it.
const clientIDAlphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+"

var (
	// ErrPending is an ErrNotFound: the client waits for an operator's approval.
	ErrPending = fmt.Errorf("it waits for approval: %w", ErrNotFound)
	// ErrRemoved is an ErrNotFound: the client's registration has ended.
	ErrRemoved = fmt.Errorf("its registration has ended: %w", ErrNotFound)
)

// Client returns the registration of a client that may be used now, or
// ErrNotFound if there is none, or it is disabled, deleted, being deleted, or of
// the other mode. Of the errors that are ErrNotFound, ErrPending and ErrRemoved
// say why. clientID may be anything at all.
func (c *Clients) Client(ctx context.Context, clientID string) (*Registration, error) {
	r, err := c.registration(ctx, clientID)
	if err != nil {
		return nil, err
	}
	switch {
	case r.Mode != c.mode:
	case r.State == RegistrationActive:
		return r, nil
	case r.State == RegistrationPending:
		return nil, ErrPending
	case r.State == RegistrationRemoved:
		return nil, ErrRemoved
	}
	return nil, ErrNotFound
}

// registration returns the registration of a client, without troubling the
// store about what cannot be a client id of Cognito's or ours.
func (c *Clients) registration(ctx context.Context, clientID string) (*Registration, error) {
	if clientID == "" || len(clientID) > 128 || strings.Trim(clientID, clientIDAlphabet) != "" {
		return nil, ErrNotFound
	}
	return c.store.Registration(ctx, clientID)
}

// Touch records that the client of r was used now, unless that was recorded
// within the last hour. A registration that has been used does not expire as
// unconfirmed any more; r then says so, too.
func (c *Clients) Touch(ctx context.Context, r *Registration) error {
	if r.Mode == ModeBrokered && !r.ExpiresAt.IsZero() {
		// One write is enough for one request; when it was used is recorded the
		// next time.
		return c.confirm(ctx, r)
	}
	now := Seconds(c.now())
	if now.Sub(r.LastUsedAt) < touchEvery {
		return nil
	}
	return c.store.TouchRegistration(ctx, r.ClientID, r.Generation, now)
}

// confirm takes the expiry off r, and has Sweep look at it from now on. Others may
// change it at the same time: it is extended by whoever registers the same.
func (c *Clients) confirm(ctx context.Context, r *Registration) error {
	stored := r.Clone()
	now := Seconds(c.now())
	for range Attempts {
		stored.ExpiresAt, stored.ActiveSince, stored.Due = time.Time{}, now, now.Add(firstLook)
		err := c.store.ReplaceRegistration(ctx, stored)
		if err == nil {
			*r = *stored
			return nil
		}
		if !errors.Is(err, ErrConflict) {
			return fmt.Errorf("confirm registration %s: %w", r.ClientID, err)
		}
		if stored, err = c.store.Registration(ctx, r.ClientID); err != nil {
			return fmt.Errorf("confirm registration %s: %w", r.ClientID, err)
		}
		if stored.Generation != r.Generation || stored.State != r.State {
			return fmt.Errorf("confirm registration %s: %w", r.ClientID, ErrNotFound)
		}
		if stored.ExpiresAt.IsZero() {
			*r = *stored
			return nil
		}
	}
	return fmt.Errorf("confirm registration %s: %w", r.ClientID, ErrConflict)
}

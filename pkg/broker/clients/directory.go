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

// New returns the Directory of the clients of one mode. Their registrations are
// in store.
func New(mode broker.Mode, store broker.Registrations, now func() time.Time) *Directory {
	return &Directory{mode: mode, store: store, now: now}
}

// touchEvery is the precision of Registration.LastUsedAt: at most one use in
// this time is recorded.
const touchEvery = time.Hour

// ClientIDAlphabet has the characters of Cognito's client ids and of the
// broker's own.
const ClientIDAlphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+"

// Client returns the registration of a client that may get tokens now. It
// returns broker.ErrNotFound if there is no such client, or its registration is
// being deleted or of the other mode. For a pending, disabled or removed
// registration the error is broker.ErrPending, broker.ErrDisabled or
// broker.ErrRemoved, which wrap ErrNotFound. A client of brokered mode that an
// operator has deleted counts as disabled, because it cannot come back by
// registering again; in direct mode it can. clientID may be any text.
func (c *Directory) Client(ctx context.Context, clientID string) (*broker.Registration, error) {
	r, err := Registration(ctx, c.store, clientID)
	if err != nil {
		return nil, err
	}
	switch {
	case r.Mode != c.mode:
	case r.State == broker.RegistrationActive:
		return r, nil
	case r.State == broker.RegistrationPending:
		return nil, broker.ErrPending
	case r.State == broker.RegistrationDisabled, r.State == broker.RegistrationDeleted && r.Mode == broker.ModeBrokered:
		return nil, broker.ErrDisabled
	case r.State == broker.RegistrationRemoved:
		return nil, broker.ErrRemoved
	}
	return nil, broker.ErrNotFound
}

// Registration returns the registration of a client in any state and mode, or
// broker.ErrNotFound. It does not read the store for a text that cannot be a
// client id.
func Registration(ctx context.Context, store broker.Registrations, clientID string) (*broker.Registration, error) {
	if clientID == "" || len(clientID) > 128 || strings.Trim(clientID, ClientIDAlphabet) != "" {
		return nil, broker.ErrNotFound
	}
	return store.Registration(ctx, clientID)
}

// Touch records that the client of r was used now, unless a use was recorded
// within the last hour. In brokered mode the first use removes the expiry of
// the registration, in the store and in r.
func (c *Directory) Touch(ctx context.Context, r *broker.Registration) error {
	if r.Mode == broker.ModeBrokered && !r.ExpiresAt.IsZero() {
		// One write per request is enough. The next use sets LastUsedAt.
		return c.confirm(ctx, r)
	}
	now := broker.Seconds(c.now())
	if now.Sub(r.LastUsedAt) < touchEvery {
		return nil
	}
	return c.store.TouchRegistration(ctx, r.ClientID, r.Generation, now)
}

// confirm removes the expiry of r and sets its first review by the janitor. It
// tries again if another request changes the registration at the same time, as
// a client does that registers with the same metadata.
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

package broker

import (
	"context"
	"strings"
	"time"
)

// Clients answers who a client is and records that it was used, which is all
// that the token endpoint needs. It is safe for concurrent use.
type Clients struct {
	store Registrations
	now   func() time.Time
}

// NewClients returns the Clients whose registrations are in store.
func NewClients(store Registrations, now func() time.Time) *Clients {
	return &Clients{store: store, now: now}
}

// touchEvery is how exact LastUsedAt is.
const touchEvery = time.Hour

// clientIDAlphabet is Cognito's.
const clientIDAlphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+"

// Client returns the registration of a client that may be used now, or
// ErrNotFound if there is none, or it is disabled or being deleted. clientID may
// be anything at all.
func (c *Clients) Client(ctx context.Context, clientID string) (*Registration, error) {
	r, err := c.registration(ctx, clientID)
	if err != nil {
		return nil, err
	}
	if r.State != RegistrationActive {
		return nil, ErrNotFound
	}
	return r, nil
}

// registration returns the registration of a client, without troubling the
// store about what cannot be a client id of Cognito's.
func (c *Clients) registration(ctx context.Context, clientID string) (*Registration, error) {
	if clientID == "" || len(clientID) > 128 || strings.Trim(clientID, clientIDAlphabet) != "" {
		return nil, ErrNotFound
	}
	return c.store.Registration(ctx, clientID)
}

// Touch records that the client of r was used now, unless that was recorded
// within the last hour.
func (c *Clients) Touch(ctx context.Context, r *Registration) error {
	now := c.now().UTC().Truncate(time.Second)
	if now.Sub(r.LastUsedAt) < touchEvery {
		return nil
	}
	return c.store.TouchRegistration(ctx, r.ClientID, r.Generation, now)
}

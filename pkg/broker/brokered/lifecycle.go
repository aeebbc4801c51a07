package brokered

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/broker/registration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// Config is what a Lifecycle needs. Every field is REQUIRED.
type Config struct {
	Store broker.Store
	// Keys returns the keys that derive client ids. It is called once per open
	// registration.
	Keys func(context.Context) (*seal.Ring, error)
	Now  func() time.Time
	Log  *slog.Logger
}

// A Lifecycle registers clients in brokered mode. It calls nothing at Cognito.
type Lifecycle struct {
	*Switch
	keys   func(context.Context) (*seal.Ring, error)
	recent *recent
	log    *slog.Logger
}

var _ registration.Lifecycle = (*Lifecycle)(nil)

// New returns a Lifecycle, or an error if a field of c is missing.
func New(c Config) (*Lifecycle, error) {
	if c.Store == nil || c.Keys == nil || c.Now == nil || c.Log == nil {
		return nil, errors.New("brokered: every field of Config is required")
	}
	return &Lifecycle{Switch: NewSwitch(c.Store, c.Now, c.Log), keys: c.Keys, recent: newRecent(), log: c.Log}, nil
}

// Manages implements registration.Lifecycle.
func (*Lifecycle) Manages(r *broker.Registration) bool { return r.Mode == broker.ModeBrokered }

// Create implements registration.Lifecycle. All clients with the same metadata
// share one open registration; a registration with a voucher is a separate
// client.
func (l *Lifecycle) Create(ctx context.Context, a *registration.Admission) (*broker.Issued, error) {
	if a.Voucher.Open() {
		return l.open(ctx, a)
	}
	return l.vouched(ctx, a)
}

// SourceHash implements registration.Lifecycle.
func (l *Lifecycle) SourceHash(ctx context.Context, text string) ([sha256.Size]byte, error) {
	ring, err := l.keys(ctx)
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("keys: %w", err)
	}
	return ring.MAC("source", text), nil
}

// NewRegistration is operator.Config.NewRegistration in brokered mode.
func NewRegistration(profile *policy.Profile, id string, m dcr.ClientMetadata, now time.Time) (*broker.Registration, error) {
	return newRegistration(profile, id, m, now), nil
}

// newRegistration returns a registration of brokered mode, and does not store it.
func newRegistration(profile *policy.Profile, id string, m dcr.ClientMetadata, now time.Time) *broker.Registration {
	now = broker.Seconds(now)
	r := &broker.Registration{
		ClientID:   id,
		Generation: credential.NewID(),
		Mode:       broker.ModeBrokered,
		State:      broker.RegistrationActive,
		Profile:    profile.Name(),
		Metadata:   m,
		IssuedAt:   now,
		ExpiresAt:  policy.UnconfirmedUntil(profile, now),
	}
	if profile.Approval() == policy.ApprovalManual {
		r.State = broker.RegistrationPending
	}
	r.Due = policy.NextReview(r, profile, now)
	return r
}

package direct

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/broker/provision"
	"github.com/dcr-broker/dcr-broker/pkg/broker/registration"
)

// Config is what a Lifecycle needs. Every field is REQUIRED.
type Config struct {
	Store broker.Store
	Pool  Pool
	// Deployment is the id of this deployment.
	Deployment string
	Now        func() time.Time
	Log        *slog.Logger
}

// A Lifecycle registers clients in direct mode: each client has an app client
// at Cognito.
type Lifecycle struct {
	apps       *appClients
	claim      *broker.TableClaim
	deployment string
}

var _ registration.Lifecycle = (*Lifecycle)(nil)

// New returns a Lifecycle, or an error if a field of c is missing.
func New(c Config) (*Lifecycle, error) {
	if c.Store == nil || c.Pool == nil || c.Deployment == "" || c.Now == nil || c.Log == nil {
		return nil, errors.New("direct: every field of Config is required")
	}
	return &Lifecycle{apps: newAppClients(c.Store, c.Pool, c.Now, broker.AuditTrail{Log: c.Log}), claim: broker.NewTableClaim(c.Store, c.Deployment), deployment: c.Deployment}, nil
}

// Manages implements registration.Lifecycle.
func (*Lifecycle) Manages(r *broker.Registration) bool { return r.Mode == broker.ModeDirect }

// SourceHash implements registration.Lifecycle. Direct mode has no sealing keys,
// so the key is the id of the deployment, which is no secret. What is stored of
// the hash is too short to tell whose it is.
func (l *Lifecycle) SourceHash(_ context.Context, text string) ([sha256.Size]byte, error) {
	h := hmac.New(sha256.New, []byte("source "+l.deployment))
	h.Write([]byte(text))
	return [sha256.Size]byte(h.Sum(nil)), nil
}

// Create implements registration.Lifecycle.
func (l *Lifecycle) Create(ctx context.Context, ad *registration.Admission) (*broker.Issued, error) {
	c := l.apps
	a := &broker.AppClient{
		Key:       credential.NewID(),
		State:     broker.AppClientCreating,
		Marker:    broker.NewMarker(ad.At),
		Profile:   ad.Profile.Name(),
		Use:       ad.Use.Use,
		CreatedAt: ad.At,
		Due:       ad.At.Add(broker.Grace),
	}
	if err := l.claim.Record(ctx, ad.At); err != nil {
		return nil, registration.Unavailable(err)
	}
	if err := c.store.CreateAppClient(ctx, a); err != nil {
		return nil, registration.Unavailable(fmt.Errorf("record app client: %w", err))
	}
	if err := c.takeBudgets(ctx, a, ad); err != nil {
		c.discard(ctx, a)
		return nil, err
	}
	made, err := c.pool.Create(ctx, a.Marker, ad.Metadata.ClientMetadata)
	if err != nil {
		if _, ok := errors.AsType[*broker.NotAppliedError](err); ok {
			c.discard(ctx, a)
			return nil, err
		}
		c.abandon(ctx, a)
		return nil, registration.Unavailable(err)
	}
	actor := ad.Voucher.Actor()
	c.trail.Made(ctx, actor, a, made.ID)

	tok := credential.NewRegistrationAccessToken()
	r := &broker.Registration{
		ClientID:     made.ID,
		Generation:   credential.NewID(),
		Mode:         broker.ModeDirect,
		State:        broker.RegistrationActive,
		Profile:      ad.Profile.Name(),
		Voucher:      ad.Voucher,
		Metadata:     ad.Metadata.ClientMetadata,
		IssuedAt:     ad.At,
		AccessTokens: broker.AccessTokens{Current: tok.Hash()},
		AppClient:    a.Key,
	}
	r.Due = policy.NextReview(r, ad.Profile, ad.At)
	a.CognitoID = made.ID
	if err := broker.RecordRegistration(ctx, c.store, r); err != nil {
		c.rollBack(ctx, a)
		return nil, registration.Unavailable(fmt.Errorf("record registration: %w", err))
	}
	if err := c.complete(ctx, a); err != nil {
		c.rollBack(ctx, a)
		return nil, registration.Unavailable(err)
	}
	c.trail.Created(ctx, actor, nil, r)
	return &broker.Issued{Registration: r, AccessToken: tok, ClientSecret: made.Secret}, nil
}

// takeBudgets takes the place and the use of the token that a new app client
// needs, and counts it.
func (c *appClients) takeBudgets(ctx context.Context, a *broker.AppClient, ad *registration.Admission) error {
	if err := provision.TakePlace(ctx, c.store, a, ad.Profile.Limits().AppClients); err != nil {
		return registration.Unavailable(err)
	}
	if err := ad.Use.Take(ctx, c.store, a.Key); err != nil {
		return err
	}
	return ad.Hour().Take(ctx, c.store)
}

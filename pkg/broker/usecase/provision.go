package usecase

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

const (
	// takeOver is after how long an app client in the making, of which nothing
	// is known, is made again under a new marker. It exceeds provisionTime.
	takeOver = 60 * time.Second
	// provisionTime is how long Provision takes at most.
	provisionTime = 25 * time.Second
	// pollEvery and polls say how long the loser of a race waits for the winner.
	pollEvery = 500 * time.Millisecond
	polls     = 20
	// maxAbandoned bounds the record while Cognito answers nothing for long.
	maxAbandoned = 50
)

// ProvisioningConfig is what a Provisioning needs. Fields are required unless
// they say when not.
type ProvisioningConfig struct {
	Store broker.Store
	Maker broker.AppClientMaker
	// Policy returns the policy in force. It is called once per app client.
	Policy func(context.Context) (*policy.Policy, error)
	// Deployment is the id of this deployment.
	Deployment string
	// Keys returns the keys that seal the app clients' secrets.
	Keys func(context.Context) (*seal.Ring, error)
	// Branding is whether app clients need a branding style, as they do on
	// managed login (version 2). Not required.
	Branding bool
	Now      func() time.Time
	Log      *slog.Logger
}

// Provisioning makes the app clients of brokered mode, on demand. It trusts
// nothing but the key that it is given: it reads the registration or the
// profile again, and the policy, and keeps to the profile's limit. It is safe
// for concurrent use, in several processes.
type Provisioning struct {
	c     ProvisioningConfig
	audit broker.AuditTrail
	deployments
}

var _ broker.Provisioner = (*Provisioning)(nil)

// NewProvisioning returns a Provisioning, or an error if a field of c is
// missing.
func NewProvisioning(c ProvisioningConfig) (*Provisioning, error) {
	if c.Store == nil || c.Maker == nil || c.Policy == nil || c.Deployment == "" || c.Keys == nil || c.Now == nil || c.Log == nil {
		return nil, errors.New("broker: every field of ProvisioningConfig but Branding is required")
	}
	return &Provisioning{c: c, audit: broker.AuditTrail{Log: c.Log}, deployments: deployments{id: c.Deployment}}, nil
}

// Provision implements Provisioner. It may wait up to ten seconds for another
// that makes the same app client.
func (p *Provisioning) Provision(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, provisionTime)
	defer cancel()
	for range polls {
		again, err := p.step(ctx, key)
		if err == nil && !again {
			return nil
		}
		if err != nil && !errors.Is(err, broker.ErrConflict) && !errors.Is(err, broker.ErrExists) {
			return err
		}
		if err == nil { // somebody is at work on it
			if err := pause(ctx, pollEvery); err != nil {
				return busy(pollEvery, err)
			}
		}
	}
	return busy(2*time.Second, fmt.Errorf("app client %s is still being made", key))
}

// step does what can be done now. It reports whether to wait and see. ErrConflict
// and ErrExists mean that somebody was faster.
func (p *Provisioning) step(ctx context.Context, key string) (again bool, err error) {
	a, err := p.c.Store.AppClient(ctx, key)
	now := broker.Seconds(p.c.Now())
	switch {
	case errors.Is(err, broker.ErrNotFound):
		return false, p.begin(ctx, key, nil, now)
	case err != nil:
		return false, busy(2*time.Second, fmt.Errorf("read app client %s: %w", key, err))
	case a.Kind != broker.KindShared && a.Kind != broker.KindDedicated:
		return false, broker.ErrNotFound
	case a.Usable(p.c.Branding):
		return false, p.reseal(ctx, a)
	case a.State == broker.AppClientReady:
		return false, p.brand(ctx, a)
	case a.State == broker.AppClientVacant:
		return false, p.begin(ctx, key, a, now)
	case now.Sub(a.CreatedAt) >= takeOver && now.Sub(a.Due.Add(-broker.Grace)) >= takeOver:
		return false, p.begin(ctx, key, a, now)
	case a.State == broker.AppClientRemoving:
		left := takeOver - min(now.Sub(a.CreatedAt), now.Sub(a.Due.Add(-broker.Grace)))
		return false, busy(left, fmt.Errorf("app client %s is being removed", key))
	}
	return true, nil
}

// reseal sees to it that the secret of a is sealed by the present key, so that
// keys can be thrown away when the last grant that they sealed has ended: an app
// client of a profile lives longer than that.
func (p *Provisioning) reseal(ctx context.Context, a *broker.AppClient) error {
	ring, err := p.c.Keys(ctx)
	if err != nil {
		return busy(2*time.Second, fmt.Errorf("keys: %w", err))
	}
	if ring.Current(a.Secret) {
		return nil
	}
	secret, err := ring.Open(broker.SecretPurpose, a.SecretOwner(), a.Secret)
	if err != nil {
		return fmt.Errorf("secret of app client %s: %w", a.Key, err)
	}
	a.Secret = ring.Seal(broker.SecretPurpose, a.SecretOwner(), secret)
	if err := p.c.Store.ReplaceAppClient(ctx, a); err != nil && !errors.Is(err, broker.ErrConflict) {
		return busy(2*time.Second, fmt.Errorf("seal secret of app client %s again: %w", a.Key, err))
	}
	return nil
}

// begin claims the record of the app client, where old is the one whose making
// or removal was left, and makes it.
func (p *Provisioning) begin(ctx context.Context, key string, old *broker.AppClient, now time.Time) error {
	want, err := p.admit(ctx, key)
	if err != nil {
		return err
	}
	ring, err := p.c.Keys(ctx)
	if err != nil {
		return busy(2*time.Second, fmt.Errorf("keys: %w", err))
	}
	a := want.record
	a.Key, a.State, a.Marker, a.CreatedAt, a.Due = key, broker.AppClientCreating, broker.NewMarker(now), now, now.Add(broker.Grace)
	if err := p.note(ctx, p.c.Store, now); err != nil {
		return busy(2*time.Second, err)
	}
	if err := p.claim(ctx, a, old); err != nil {
		return err
	}
	if err := takePlace(ctx, p.c.Store, a, want.limits); err != nil {
		p.release(ctx, a)
		return err
	}
	made, err := p.c.Maker.CreateBrokered(ctx, a.Marker, broker.BrokeredAppClient{Name: want.name, Scopes: a.Scopes, ClientCredentials: want.machine})
	if err != nil {
		if _, ok := errors.AsType[*broker.NotAppliedError](err); ok {
			p.release(ctx, a)
			return busy(2*time.Second, err)
		}
		return busy(takeOver, fmt.Errorf("create app client %s: %w", key, err))
	}
	p.audit.Made(ctx, broker.ByBroker, a, made.ID)
	a.CognitoID, a.Secret = made.ID, ring.Seal(broker.SecretPurpose, a.SecretOwner(), made.Secret)
	if err := p.ready(ctx, a); err != nil {
		return err
	}
	return p.brand(ctx, a)
}

// claim makes the caller the one who makes the app client. What old may have left
// at Cognito is remembered.
func (p *Provisioning) claim(ctx context.Context, a, old *broker.AppClient) error {
	var err error
	if old == nil {
		err = p.c.Store.CreateAppClient(ctx, a)
	} else {
		if len(old.Abandoned) >= maxAbandoned {
			return busy(broker.Grace, fmt.Errorf("app client %s was given up %d times", a.Key, len(old.Abandoned)))
		}
		a.Version, a.Abandoned = old.Version, old.Clone().Abandoned
		if old.Marker != "" {
			a.Abandoned = append(a.Abandoned, old.Marker)
			p.c.Log.WarnContext(ctx, "app client is made again", "app_client", a.Key, "abandoned", len(a.Abandoned))
		}
		err = p.c.Store.ReplaceAppClient(ctx, a)
	}
	switch {
	case err == nil, errors.Is(err, broker.ErrExists), errors.Is(err, broker.ErrConflict):
		return err
	case errors.Is(err, broker.ErrNotFound):
		return broker.ErrConflict // it was removed meanwhile
	}
	return busy(takeOver, fmt.Errorf("claim app client %s: %w", a.Key, err))
}

// release gives up an app client that Cognito certainly does not have. What
// fails here is left to Sweep, and to the next Provision after a minute.
func (p *Provisioning) release(ctx context.Context, a *broker.AppClient) {
	ctx, cancel := broker.CleanupContext(ctx)
	defer cancel()
	var err error
	if len(a.Abandoned) > 0 { // which must not be forgotten, and may still need the place
		a.State = broker.AppClientRemoving
		err = p.c.Store.ReplaceAppClient(ctx, a)
	} else if err = p.c.Store.ReturnBudget(ctx, appClientsKey(a.Profile), a.Key); err == nil {
		err = p.vacate(ctx, a)
	}
	if err != nil {
		p.c.Log.WarnContext(ctx, "app client left to reconcile", "app_client", a.Key, "error", err)
	}
}

// vacate leaves a record of no app client, or none if there was none before.
func (p *Provisioning) vacate(ctx context.Context, a *broker.AppClient) error {
	if a.Version == 1 {
		return p.c.Store.DeleteAppClient(ctx, a.Key, a.Version)
	}
	a.Vacate()
	return p.c.Store.ReplaceAppClient(ctx, a)
}

// ready records that a exists. A dedicated one is looked at again, since its
// registration may have been deleted just before the record was there.
func (p *Provisioning) ready(ctx context.Context, a *broker.AppClient) error {
	marker, id := a.Marker, a.CognitoID
	a.State, a.Due = broker.AppClientReady, time.Time{}
	if a.Kind == broker.KindDedicated || len(a.Abandoned) > 0 {
		a.Due = broker.Seconds(p.c.Now()).Add(broker.Grace)
	}
	err := p.c.Store.ReplaceAppClient(ctx, a)
	if err == nil {
		return nil
	}
	undo, cancel := broker.CleanupContext(ctx)
	defer cancel()
	for range broker.Attempts {
		stored, readErr := p.c.Store.AppClient(undo, a.Key)
		switch {
		case readErr == nil && stored.Marker == marker && stored.State == broker.AppClientReady:
			*a = *stored // the reply was lost
			return nil
		case readErr == nil && stored.Marker == marker && stored.State == broker.AppClientCreating:
			a.Version = stored.Version
			if readErr = p.c.Store.ReplaceAppClient(undo, a); readErr == nil {
				return nil
			}
		default:
			readErr = p.disown(undo, a, id, stored, readErr)
		}
		err = errors.Join(err, readErr)
		if !errors.Is(readErr, broker.ErrConflict) && !errors.Is(readErr, broker.ErrExists) {
			break
		}
	}
	return busy(takeOver, fmt.Errorf("record app client %s: %w", a.Key, err))
}

// disown sees to it that Sweep finds the app client id, which was given up
// before it was recorded. stored is the record as it is now, and readErr says
// whether there is one.
func (p *Provisioning) disown(ctx context.Context, a *broker.AppClient, id string, stored *broker.AppClient, readErr error) error {
	due := broker.Seconds(p.c.Now()).Add(broker.Grace)
	switch {
	case errors.Is(readErr, broker.ErrNotFound):
		a.State, a.Due = broker.AppClientRemoving, due
		return p.c.Store.CreateAppClient(ctx, a)
	case readErr != nil:
		return readErr
	case stored.Marker == a.Marker:
		stored.CognitoID = id
	case slices.Contains(stored.Abandoned, a.Marker):
	default:
		stored.Abandoned = append(stored.Abandoned, a.Marker)
	}
	// Even if nothing is new: a Sweep under way has to look again.
	stored.Due = due
	return p.c.Store.ReplaceAppClient(ctx, stored)
}

// brand gives a its branding style, if it needs one.
func (p *Provisioning) brand(ctx context.Context, a *broker.AppClient) error {
	if a.Usable(p.c.Branding) {
		return nil
	}
	err := p.c.Maker.Brand(ctx, a.CognitoID)
	if errors.Is(err, broker.ErrBrandingLimit) {
		telemetry.Count(ctx, telemetry.StylesUsedUp, 1)
		p.c.Log.ErrorContext(ctx, `all branding styles of the user pool are used up: new app clients have no sign-in page; give the profile app_client "shared"`,
			"profile", a.Profile, "app_client", a.Key)
		return busy(time.Hour, err)
	}
	if err != nil {
		return busy(2*time.Second, fmt.Errorf("brand app client %s: %w", a.Key, err))
	}
	p.audit.AppClient(ctx, telemetry.AppClientUpdated, broker.ByBroker, a, a.CognitoID, slog.Bool("branded", true))
	a.Branded = true
	if err := p.c.Store.ReplaceAppClient(ctx, a); err != nil {
		if errors.Is(err, broker.ErrConflict) {
			return err
		}
		return busy(2*time.Second, fmt.Errorf("record branding of app client %s: %w", a.Key, err))
	}
	return nil
}

// busy tells the user to come back after that time, with the cause for the log.
func busy(after time.Duration, cause error) error {
	return broker.Unavailable("signing in is not possible at the moment, nothing was lost", after, cause)
}

// pause waits, unless ctx is done.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

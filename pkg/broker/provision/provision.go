package provision

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
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

const (
	// takeOver is the time after which an app client is created again under a
	// new marker, if the result of its creation is unknown. It exceeds
	// provisionTime.
	takeOver = 60 * time.Second
	// provisionTime is the maximum time of Provision.
	provisionTime = 25 * time.Second
	// pollEvery and polls limit how long the loser of a race waits for the
	// winner.
	pollEvery = 500 * time.Millisecond
	polls     = 20
	// maxAbandoned bounds the record while Cognito does not answer for a long
	// time.
	maxAbandoned = 50
)

// A Pool creates the app clients of brokered mode. A Provisioner needs no other
// permission at Cognito. Implementations are safe for concurrent use. An error
// that wraps *broker.NotAppliedError means that nothing was changed at Cognito.
// After any other error the caller does not know whether the call was applied.
type Pool interface {
	// CreateBrokered creates a confidential app client. Two calls with the same
	// marker create two. If the pool is full, throttled or does not answer, the
	// error wraps a *dcr.Error with the code dcr.Unavailable. Any other error needs
	// an operator.
	CreateBrokered(ctx context.Context, marker string, spec broker.BrokeredAppClient) (broker.NewAppClient, error)
	// Brand assigns Cognito's default branding style to the app client, unless
	// it already has a style. It returns broker.ErrBrandingLimit, perhaps
	// wrapped, if the pool can have no more styles.
	Brand(ctx context.Context, id string) error
}

// Config is what a Provisioner needs. Every field but Branding and Operator is
// REQUIRED.
type Config struct {
	Store broker.Store
	Pool  Pool
	// Policy returns the policy in force. It is called for each app client, and a
	// second time with broker.Newest if the policy lacks the profile.
	Policy func(context.Context) (*policy.Policy, error)
	// Deployment is the id of this deployment.
	Deployment string
	// Keys returns the keys that seal the app clients' secrets.
	Keys func(context.Context) (*seal.Ring, error)
	// Branding is whether app clients need a branding style, as they do on
	// managed login (version 2).
	Branding bool
	// Operator is the operator in whose process the Provisioner is. OPTIONAL.
	Operator string
	Now      func() time.Time
	Log      *slog.Logger
}

// A Provisioner creates the app clients of brokered mode, on demand. It trusts
// only the key in a request: it reads the registration or the profile again,
// and the policy, and observes the profile's limit. It is safe for concurrent
// use, in several processes.
type Provisioner struct {
	c     Config
	claim *broker.TableClaim
	trail broker.AuditTrail
}

var _ broker.Provisioner = (*Provisioner)(nil)

// New returns a Provisioner, or an error if a field of c is missing.
func New(c Config) (*Provisioner, error) {
	if c.Store == nil || c.Pool == nil || c.Policy == nil || c.Deployment == "" || c.Keys == nil || c.Now == nil || c.Log == nil {
		return nil, errors.New("provision: every field of Config but Branding and Operator is required")
	}
	return &Provisioner{c: c, claim: broker.NewTableClaim(c.Store, c.Deployment), trail: broker.AuditTrail{Log: c.Log, Operator: c.Operator}}, nil
}

// Provision implements broker.Provisioner. It may wait up to ten seconds for
// another request that creates the same app client.
func (p *Provisioner) Provision(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, provisionTime)
	defer cancel()
	for range polls {
		again, err := p.step(ctx, key)
		if err == nil && !again {
			return nil
		}
		if err != nil && !broker.IsOnly(err, broker.ErrConflict, broker.ErrExists) {
			return err
		}
		if err == nil { // another request is creating it
			if err := broker.Pause(ctx, pollEvery); err != nil {
				return busy(pollEvery, err)
			}
		}
	}
	return busy(broker.RetrySoon, fmt.Errorf("app client %s is still being made", key))
}

// step does the next possible step. It reports whether to wait and read again.
// ErrConflict and ErrExists mean that another request was faster.
func (p *Provisioner) step(ctx context.Context, key string) (again bool, err error) {
	a, err := p.c.Store.AppClient(ctx, key)
	now := broker.Seconds(p.c.Now())
	switch {
	case errors.Is(err, broker.ErrNotFound):
		return false, p.begin(ctx, key, nil, now)
	case err != nil:
		return false, busy(broker.RetrySoon, fmt.Errorf("read app client %s: %w", key, err))
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

// reseal seals the secret of a with the current key, if another key sealed it.
// So an operator can delete a key when the last grant that it sealed has ended,
// although the app client of a profile lives longer.
func (p *Provisioner) reseal(ctx context.Context, a *broker.AppClient) error {
	ring, err := p.c.Keys(ctx)
	if err != nil {
		return busy(broker.RetrySoon, fmt.Errorf("keys: %w", err))
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
		return busy(broker.RetrySoon, fmt.Errorf("seal secret of app client %s again: %w", a.Key, err))
	}
	return nil
}

// begin takes the record of the app client and creates the app client. old is
// the present record, if an earlier attempt to create or remove the app client
// was interrupted.
func (p *Provisioner) begin(ctx context.Context, key string, old *broker.AppClient, now time.Time) error {
	want, err := p.admit(ctx, key)
	if err != nil {
		return err
	}
	ring, err := p.c.Keys(ctx)
	if err != nil {
		return busy(broker.RetrySoon, fmt.Errorf("keys: %w", err))
	}
	a := want.record
	a.Key, a.State, a.Marker, a.CreatedAt, a.Due = key, broker.AppClientCreating, broker.NewMarker(now), now, now.Add(broker.Grace)
	if err := p.claim.Record(ctx, now); err != nil {
		return busy(broker.RetrySoon, err)
	}
	if err := p.take(ctx, a, old); err != nil {
		return err
	}
	err = p.returnFormerPlaces(ctx, a)
	if err == nil {
		err = TakePlace(ctx, p.c.Store, a, want.limits.AppClients)
	}
	if err != nil {
		p.release(ctx, a)
		return busy(broker.RetrySoon, err)
	}
	made, err := p.c.Pool.CreateBrokered(ctx, a.Marker, want.spec)
	if err != nil {
		p.logRefused(ctx, "app client not made", a, err)
		if _, ok := errors.AsType[*broker.NotAppliedError](err); ok {
			p.release(ctx, a)
			return busy(broker.RetrySoon, err)
		}
		return busy(takeOver, fmt.Errorf("create app client %s: %w", key, err))
	}
	p.trail.Made(ctx, broker.ByBroker, a, made.ID)
	a.CognitoID, a.Secret = made.ID, ring.Seal(broker.SecretPurpose, a.SecretOwner(), made.Secret)
	if err := p.ready(ctx, a); err != nil {
		return err
	}
	return p.brand(ctx, a)
}

// take writes the record so that only this request creates the app client. The
// record keeps the marker of an app client that the earlier attempt may have
// left at Cognito.
func (p *Provisioner) take(ctx context.Context, a, old *broker.AppClient) error {
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
		return broker.ErrConflict // it has been removed in the meantime
	}
	return busy(takeOver, fmt.Errorf("claim app client %s: %w", a.Key, err))
}

// returnFormerPlaces returns the places of interrupted attempts, so that a holds
// one place only. If one of their app clients exists, the janitor removes it soon.
func (p *Provisioner) returnFormerPlaces(ctx context.Context, a *broker.AppClient) error {
	for _, marker := range a.Abandoned {
		if err := returnPlace(ctx, p.c.Store, a, marker); err != nil {
			return err
		}
	}
	return nil
}

// release ends the creation of an app client that Cognito certainly does not
// have. If a step fails here, the janitor or the next Provision after a minute
// repeats it.
func (p *Provisioner) release(ctx context.Context, a *broker.AppClient) {
	ctx, cancel := broker.CleanupContext(ctx)
	defer cancel()
	err := ReturnPlace(ctx, p.c.Store, a)
	switch {
	case len(a.Abandoned) > 0: // the janitor needs the abandoned markers
		a.State = broker.AppClientRemoving
		err = errors.Join(err, p.c.Store.ReplaceAppClient(ctx, a))
	case err == nil:
		err = p.undoTake(ctx, a)
	}
	broker.LogUnfinished(ctx, p.c.Log, a.Key, err)
}

// undoTake undoes take: it deletes the record, or vacates it if there was one
// before. The registration of a dedicated app client may end meanwhile, so its
// record is due once more.
func (p *Provisioner) undoTake(ctx context.Context, a *broker.AppClient) error {
	if a.Version == 1 {
		return p.c.Store.DeleteAppClient(ctx, a.Key, a.Version)
	}
	a.Vacate()
	if a.Kind == broker.KindDedicated {
		a.Due = broker.Seconds(p.c.Now()).Add(broker.Grace)
	}
	return p.c.Store.ReplaceAppClient(ctx, a)
}

// ready records that a exists. The janitor checks a dedicated app client again,
// because its registration may have been deleted just before the record was
// written.
func (p *Provisioner) ready(ctx context.Context, a *broker.AppClient) error {
	marker, id := a.Marker, a.CognitoID
	a.State, a.Due = broker.AppClientReady, time.Time{}
	if a.Kind == broker.KindDedicated || len(a.Abandoned) > 0 {
		a.Due = broker.Seconds(p.c.Now()).Add(broker.Grace)
	}
	err := p.c.Store.ReplaceAppClient(ctx, a)
	if err == nil {
		return nil
	}
	cleanup, cancel := broker.CleanupContext(ctx)
	defer cancel()
	for range broker.Attempts {
		stored, readErr := p.c.Store.AppClient(cleanup, a.Key)
		switch {
		case readErr == nil && stored.Marker == marker && stored.State == broker.AppClientReady:
			*a = *stored // the reply was lost
			return nil
		case readErr == nil && stored.Marker == marker && stored.State == broker.AppClientCreating:
			a.Version = stored.Version
			if readErr = p.c.Store.ReplaceAppClient(cleanup, a); readErr == nil {
				return nil
			}
		default:
			if readErr = p.disown(cleanup, a, id, stored, readErr); readErr == nil {
				return fmt.Errorf("app client %s was given up while it was made: %w", a.Key, broker.ErrConflict)
			}
		}
		err = errors.Join(err, readErr)
		if !broker.IsOnly(readErr, broker.ErrConflict, broker.ErrExists) {
			break
		}
	}
	return busy(takeOver, fmt.Errorf("record app client %s: %w", a.Key, err))
}

// disown records the app client id, which another request or the janitor
// abandoned before it was recorded, so that the janitor removes it. stored is
// the present record, and readErr the error of reading it.
func (p *Provisioner) disown(ctx context.Context, a *broker.AppClient, id string, stored *broker.AppClient, readErr error) error {
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
	// This write happens even if it changes nothing, so that a running sweep has
	// to read the record again.
	stored.Due = due
	return p.c.Store.ReplaceAppClient(ctx, stored)
}

// brand assigns a branding style to a, if it needs one.
func (p *Provisioner) brand(ctx context.Context, a *broker.AppClient) error {
	if a.Usable(p.c.Branding) {
		return nil
	}
	err := p.c.Pool.Brand(ctx, a.CognitoID)
	if errors.Is(err, broker.ErrBrandingLimit) {
		telemetry.Count(ctx, telemetry.StylesUsedUp, 1)
		p.c.Log.ErrorContext(ctx, `all branding styles of the user pool are used up: new app clients have no sign-in page; give the profile app_client "shared"`,
			"profile", a.Profile, "app_client", a.Key)
		return busy(time.Hour, err)
	}
	if err != nil {
		p.logRefused(ctx, "app client not branded", a, err)
		return busy(broker.RetrySoon, fmt.Errorf("brand app client %s: %w", a.Key, err))
	}
	p.trail.AppClient(ctx, telemetry.AppClientUpdated, broker.ByBroker, a, a.CognitoID, slog.Bool("branded", true))
	a.Branded = true
	if err := p.c.Store.ReplaceAppClient(ctx, a); err != nil {
		if errors.Is(err, broker.ErrConflict) {
			return err
		}
		return busy(broker.RetrySoon, fmt.Errorf("record branding of app client %s: %w", a.Key, err))
	}
	return nil
}

// logRefused logs an error of the pool that only an operator can correct, such as
// an identity provider that does not exist. The pool has an answer for the
// client in every other error.
func (p *Provisioner) logRefused(ctx context.Context, msg string, a *broker.AppClient, err error) {
	if _, ok := errors.AsType[*dcr.Error](err); !ok {
		p.c.Log.ErrorContext(ctx, msg, "app_client", a.Key, "profile", a.Profile, "error", err)
	}
}

// busy returns the error for a request that the client can repeat after this
// time. The cause is logged.
func busy(after time.Duration, cause error) error {
	return broker.Unavailable("the client cannot be served at the moment, nothing was lost", after, cause)
}

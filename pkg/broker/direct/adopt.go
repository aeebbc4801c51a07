package direct

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// An AdoptionPool has the app clients that can be adopted. Its errors have the
// meaning of a Pool's errors.
type AdoptionPool interface {
	Pool
	// Foreign returns the app client with this id, or broker.ErrNotFound.
	Foreign(ctx context.Context, id string) (*broker.ForeignAppClient, error)
	// Adopt writes the marker into the name of an app client that has none, and
	// changes nothing else. An app client that already has this marker is no
	// error.
	Adopt(ctx context.Context, id, marker string) error
}

// AdopterConfig is what an Adopter needs. Every field is REQUIRED.
type AdopterConfig struct {
	Store broker.Store
	Pool  AdoptionPool
	// Deployment is the id of this deployment.
	Deployment string
	// Policy returns the policy in force. It is called once for each adoption.
	Policy func(context.Context) (*policy.Policy, error)
	// Issuer is the broker's origin, under which registrations are managed.
	Issuer string
	Now    func() time.Time
	Log    *slog.Logger
}

// An Adopter adopts app clients that operators have created.
type Adopter struct {
	apps   *appClients
	claim  *broker.TableClaim
	pool   AdoptionPool
	policy func(context.Context) (*policy.Policy, error)
	issuer string
}

// NewAdopter returns an Adopter, or an error if a field of c is missing.
func NewAdopter(c AdopterConfig) (*Adopter, error) {
	if c.Store == nil || c.Pool == nil || c.Deployment == "" || c.Policy == nil || c.Issuer == "" || c.Now == nil || c.Log == nil {
		return nil, errors.New("direct: every field of AdopterConfig is required")
	}
	return &Adopter{
		apps: newAppClients(c.Store, c.Pool, c.Now, broker.AuditTrail{Log: c.Log}), claim: broker.NewTableClaim(c.Store, c.Deployment),
		pool: c.Pool, policy: c.Policy, issuer: c.Issuer,
	}, nil
}

// Adoption is the plan of an adoption.
type Adoption struct {
	AppClient broker.ForeignAppClient
	// Profile is the profile of the registration.
	Profile string
	// Exceeds is a setting of the app client that the profile would not give to
	// a registration. The app client keeps it until the client updates its
	// registration (RFC 7592).
	Exceeds string
	// Adopted reports whether the app client is already registered.
	Adopted bool
}

// Plan returns the adoption that Adopt would perform, or an error with the
// reason why Adopt cannot. It changes nothing.
func (d *Adopter) Plan(ctx context.Context, cognitoID, profile string) (*Adoption, error) {
	pol, err := d.policy(ctx)
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	p, ok := pol.Profile(profile)
	if !ok {
		return nil, fmt.Errorf("the policy has no profile %q", profile)
	}
	r, err := d.apps.store.Registration(ctx, cognitoID)
	if err != nil && !errors.Is(err, broker.ErrNotFound) {
		return nil, fmt.Errorf("read registration %s: %w", cognitoID, err)
	}
	registered := err == nil
	if registered && r.State != broker.RegistrationActive {
		return nil, &broker.StateError{ClientID: cognitoID, State: r.State}
	}
	found, err := d.pool.Foreign(ctx, cognitoID)
	if err != nil {
		return nil, fmt.Errorf("app client %s: %w", cognitoID, err)
	}
	if found.Refused != "" && !registered {
		return nil, fmt.Errorf("app client %s cannot be adopted: %s", cognitoID, found.Refused)
	}
	return &Adoption{AppClient: *found, Profile: profile, Exceeds: exceeds(p, found.Metadata), Adopted: registered}, nil
}

// exceeds returns a setting of m that the profile would not give, or "".
func exceeds(p *policy.Profile, m dcr.ClientMetadata) string {
	allowed, err := p.Apply(dcr.Parse(m))
	if err != nil {
		return err.Error()
	}
	for _, uri := range m.RedirectURIs {
		if !slices.Contains(allowed.RedirectURIs, uri) {
			return fmt.Sprintf("the redirect URI %q", uri)
		}
	}
	if !sameScopes(allowed.Scope, m.Scope) {
		return fmt.Sprintf("the scopes %q, where the profile gives %q", m.Scope, allowed.Scope)
	}
	return ""
}

// sameScopes reports whether both lists have the same scopes. Cognito has scopes in
// an order of its own, and the profile in the operator's.
func sameScopes(a, b string) bool {
	return slices.Equal(slices.Sorted(strings.FieldsSeq(a)), slices.Sorted(strings.FieldsSeq(b)))
}

// Adopt registers an app client that an operator has created under its id, and
// writes the broker's mark into its name. From then on the broker changes and
// removes it. The response has the registration access token; the client secret
// at Cognito does not change. An interrupted adoption can be repeated.
// Otherwise the janitor undoes it: it deletes the registration and never the
// app client.
func (d *Adopter) Adopt(ctx context.Context, cognitoID, profile, by string) (*dcr.ClientInformation, error) {
	plan, err := d.Plan(ctx, cognitoID, profile)
	if err != nil {
		return nil, err
	}
	if plan.Adopted {
		return nil, fmt.Errorf("app client %s: it is registered: %w", cognitoID, broker.ErrExists)
	}
	now := broker.Seconds(d.apps.now())
	a := &broker.AppClient{
		Key: credential.NewID(), State: broker.AppClientAdopting, Marker: broker.NewMarker(now), Profile: profile,
		ClientID: cognitoID, CreatedAt: now, Due: now.Add(broker.Grace),
	}
	tok := credential.NewRegistrationAccessToken()
	r := &broker.Registration{
		ClientID: cognitoID, Generation: credential.NewID(), Mode: broker.ModeDirect, State: broker.RegistrationActive, Profile: profile,
		CreatedBy: by, Metadata: plan.AppClient.Metadata, IssuedAt: now, AccessTokens: broker.AccessTokens{Current: tok.Hash()}, AppClient: a.Key,
	}
	if err := d.record(ctx, a, r); err != nil {
		return nil, fmt.Errorf("adopt app client %s: %w", cognitoID, err)
	}
	d.apps.trail.AppClient(ctx, telemetry.AppClientAdopted, broker.ByOperator(by), a, cognitoID)
	d.apps.trail.Created(ctx, broker.ByOperator(by), nil, r)
	return broker.Issued{Registration: r, AccessToken: tok}.Information(d.issuer), nil
}

// record writes both records, and then the mark at Cognito.
func (d *Adopter) record(ctx context.Context, a *broker.AppClient, r *broker.Registration) error {
	if err := d.claim.Record(ctx, a.CreatedAt); err != nil {
		return err
	}
	if err := d.apps.store.CreateAppClient(ctx, a); err != nil {
		return fmt.Errorf("record app client: %w", err)
	}
	if err := broker.RecordRegistration(ctx, d.apps.store, r); err != nil {
		return fmt.Errorf("record registration: %w", err)
	}
	if err := d.pool.Adopt(ctx, r.ClientID, a.Marker); err != nil {
		return err
	}
	a.CognitoID = r.ClientID
	return d.apps.complete(ctx, a)
}

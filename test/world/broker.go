package world

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/brokered"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/direct"
	"github.com/dcr-broker/dcr-broker/pkg/broker/janitor"
	"github.com/dcr-broker/dcr-broker/pkg/broker/operator"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/broker/provision"
	"github.com/dcr-broker/dcr-broker/pkg/broker/registration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/contract"
)

// Parts are the parts of a Broker.
type Parts struct {
	// Mode is ModeDirect unless it is set.
	Mode  broker.Mode
	Store broker.Store
	// Pool has the app clients. Of the optional methods of a pool, the Broker
	// uses those that Pool has.
	Pool contract.Pool
	// Maker makes the app clients of brokered mode; nil means Pool.
	Maker    provision.Pool
	Branding bool
	// Grants is broker.NoGrants unless it is set.
	Grants broker.GrantEnder
	Keys   func(context.Context) (*seal.Ring, error)
	JWTs   registration.JWTs
	Policy func(context.Context) (*policy.Policy, error)
	Now    func() time.Time
	// Operator is the operator in whose process the Broker is.
	Operator string
	// Log discards unless it is set.
	Log *slog.Logger
}

const (
	deployment = "test"
	issuer     = "https://auth.example.com"
)

// Broker has the use cases of one process in one mode.
type Broker struct {
	*clients.Directory
	*provision.Provisioner
	Registrar  *registration.Registrar
	Janitor    *janitor.Janitor
	Operator   *operator.Operator
	Maintainer *provision.Maintainer
	Adopter    *direct.Adopter
	policy     func(context.Context) (*policy.Policy, error)
}

// Assemble returns the use cases of a process with these parts.
func Assemble(p Parts) (*Broker, error) {
	if p.Mode == "" {
		p.Mode = broker.ModeDirect
	}
	if p.Log == nil {
		p.Log = Discard
	}
	if p.JWTs == nil {
		p.JWTs = new(KnownJWTs)
	}
	if p.Keys == nil {
		p.Keys = func(context.Context) (*seal.Ring, error) { return nil, errors.New("this world has no keys") }
	}
	if maker, ok := p.Pool.(provision.Pool); ok && p.Maker == nil {
		p.Maker = maker
	}
	b := &Broker{policy: p.Policy}
	return b, errors.Join(b.addRegistrar(p), b.addApps(p), b.addOperators(p))
}

func (b *Broker) addRegistrar(p Parts) error {
	c := registration.Config{Store: p.Store, JWTs: p.JWTs, Policy: p.Policy, Issuer: issuer, Now: p.Now, Log: p.Log}
	var err error
	if p.Mode == broker.ModeBrokered {
		b.Directory, c.Former = clients.New(broker.ModeBrokered, p.Store, p.Now), direct.NewSwitch(p.Store, p.Now, p.Log)
		c.Lifecycle, err = brokered.New(brokered.Config{Store: p.Store, Keys: p.Keys, Now: p.Now, Log: p.Log})
	} else {
		b.Directory, c.Former = clients.New(broker.ModeDirect, p.Store, p.Now), brokered.NewSwitch(p.Store, p.Now, p.Log)
		c.Lifecycle, err = direct.New(direct.Config{Store: p.Store, Pool: p.Pool, Deployment: deployment, Now: p.Now, Log: p.Log})
	}
	if err != nil {
		return err
	}
	b.Registrar, err = registration.New(c)
	return err
}

// addApps adds what makes and changes the app clients of brokered mode.
func (b *Broker) addApps(p Parts) (err error) {
	if p.Maker != nil {
		b.Provisioner, err = provision.New(provision.Config{
			Store: p.Store, Pool: p.Maker, Policy: p.Policy, Deployment: deployment, Keys: p.Keys, Branding: p.Branding, Operator: p.Operator, Now: p.Now, Log: p.Log,
		})
		if err != nil {
			return err
		}
	}
	if pool, ok := p.Pool.(provision.MaintainedPool); ok {
		b.Maintainer, err = provision.NewMaintainer(provision.MaintainerConfig{Store: p.Store, Pool: pool, Operator: p.Operator, Now: p.Now, Log: p.Log})
	}
	return err
}

func (b *Broker) addOperators(p Parts) (err error) {
	c := operator.Config{
		Store: p.Store, NewRegistration: direct.NewRegistration, Grants: broker.NoGrants{Err: broker.ErrNoGrants}, Deployment: deployment, Policy: p.Policy, Now: p.Now, Log: p.Log,
		Modes: broker.ByMode[operator.Lifecycle]{Direct: direct.NewSwitch(p.Store, p.Now, p.Log), Brokered: brokered.NewSwitch(p.Store, p.Now, p.Log)},
	}
	if p.Mode == broker.ModeBrokered {
		c.NewRegistration = brokered.NewRegistration
	}
	if p.Grants == nil {
		p.Grants = broker.NoGrants{}
	} else {
		c.Grants = p.Grants
	}
	if b.Operator, err = operator.New(c); err != nil {
		return err
	}
	if pool, ok := p.Pool.(direct.AdoptionPool); ok {
		b.Adopter, err = direct.NewAdopter(direct.AdopterConfig{
			Store: p.Store, Pool: pool, Deployment: deployment, Policy: p.Policy, Issuer: issuer, Now: p.Now, Log: p.Log,
		})
		if err != nil {
			return err
		}
	}
	if b.Maintainer == nil {
		return nil
	}
	trail := broker.AuditTrail{Log: p.Log, Operator: p.Operator}
	b.Janitor, err = janitor.New(janitor.Config{
		Operator: p.Operator,
		Store:    p.Store, Pool: p.Pool, Grower: b.Maintainer, Grants: p.Grants, Deployment: deployment, Branding: p.Branding, Policy: p.Policy, Now: p.Now, Log: p.Log,
		Modes: broker.ByMode[janitor.Reconciler]{
			Direct: direct.NewReconciler(p.Store, p.Pool, p.Now, trail), Brokered: brokered.NewReconciler(p.Store, b.Maintainer, p.Now, trail),
		},
	})
	return err
}

// Register calls the Registrar.
func (b *Broker) Register(ctx context.Context, req *dcr.Request, tok credential.Token) (*dcr.ClientInformation, error) {
	return b.Registrar.Register(ctx, req, tok)
}

// Read calls the Registrar.
func (b *Broker) Read(ctx context.Context, clientID string, tok credential.Token) (*dcr.ClientInformation, error) {
	return b.Registrar.Read(ctx, clientID, tok)
}

// Update calls the Registrar.
func (b *Broker) Update(ctx context.Context, clientID string, tok credential.Token, req *dcr.Request) (*dcr.ClientInformation, error) {
	return b.Registrar.Update(ctx, clientID, tok, req)
}

// Delete calls the Registrar.
func (b *Broker) Delete(ctx context.Context, clientID string, tok credential.Token) error {
	return b.Registrar.Delete(ctx, clientID, tok)
}

// Sweep calls the Janitor.
func (b *Broker) Sweep(ctx context.Context, o janitor.Options) (janitor.Report, error) {
	return b.Janitor.Sweep(ctx, o)
}

// Approve calls the Operator, who has just seen the client.
func (b *Broker) Approve(ctx context.Context, clientID, by string) (*broker.Registration, error) {
	r, err := b.Operator.Client(ctx, clientID)
	if err != nil {
		return nil, err
	}
	return b.Operator.Approve(ctx, r, by)
}

// Enable calls the Operator, who has just seen the client.
func (b *Broker) Enable(ctx context.Context, clientID, by string) (*broker.Registration, error) {
	r, err := b.Operator.Client(ctx, clientID)
	if err != nil {
		return nil, err
	}
	return b.Operator.Enable(ctx, r, by)
}

// Disable calls the Operator.
func (b *Broker) Disable(ctx context.Context, clientID, by string) (*broker.Registration, error) {
	return b.Operator.Disable(ctx, clientID, by)
}

// DeleteClient calls the Operator.
func (b *Broker) DeleteClient(ctx context.Context, clientID, by string) (*broker.Registration, error) {
	return b.Operator.Delete(ctx, clientID, by)
}

// CreateClient calls the Operator.
func (b *Broker) CreateClient(ctx context.Context, n operator.NewClient) (*dcr.ClientInformation, error) {
	return b.Operator.Create(ctx, n)
}

// EndGrantsOfClient calls the Operator.
func (b *Broker) EndGrantsOfClient(ctx context.Context, clientID, by string) (int, error) {
	return b.Operator.EndGrantsOfClient(ctx, clientID, by)
}

// EndGrantsOfUser calls the Operator.
func (b *Broker) EndGrantsOfUser(ctx context.Context, sub, by string) (int, error) {
	return b.Operator.EndGrantsOfUser(ctx, sub, by)
}

// EndGrant calls the Operator.
func (b *Broker) EndGrant(ctx context.Context, id, by string) error {
	return b.Operator.EndGrant(ctx, id, by)
}

// AcceptTable calls the Operator.
func (b *Broker) AcceptTable(ctx context.Context, by string) error {
	return b.Operator.AcceptTable(ctx, by)
}

// ApplyProfile calls the Maintainer.
func (b *Broker) ApplyProfile(ctx context.Context, profile, by string) (int, error) {
	pol, err := b.policy(ctx)
	if err != nil {
		return 0, err
	}
	p, ok := pol.Profile(profile)
	if !ok {
		return 0, fmt.Errorf("the policy has no profile %q", profile)
	}
	return b.Maintainer.ApplyProfile(ctx, p, by)
}

// PlanAdoption calls the Adopter.
func (b *Broker) PlanAdoption(ctx context.Context, cognitoID, profile string) (*direct.Adoption, error) {
	return b.Adopter.Plan(ctx, cognitoID, profile)
}

// Adopt calls the Adopter.
func (b *Broker) Adopt(ctx context.Context, cognitoID, profile, by string) (*dcr.ClientInformation, error) {
	return b.Adopter.Adopt(ctx, cognitoID, profile, by)
}

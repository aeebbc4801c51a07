// Package operator is wiring: the use cases of operators, which dcrctl runs
// with the operator's own permissions. It uses package janitor, because the
// janitor is one of these use cases.
package operator

import (
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/internal/wire/janitor"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/brokered"
	"github.com/dcr-broker/dcr-broker/pkg/broker/direct"
	usecase "github.com/dcr-broker/dcr-broker/pkg/broker/operator"
)

// UseCases are the use cases of operators.
type UseCases struct {
	*janitor.Janitor
	Operator *usecase.Operator
	// Adopter is nil in brokered mode, where no app client can be adopted.
	Adopter *direct.Adopter
}

// New returns the use cases. The configuration of p needs at least the part
// that environment.AppClients reads.
func New(p *wire.Parts) (*UseCases, error) {
	j, err := janitor.New(p)
	if err != nil {
		return nil, err
	}
	c, u := p.Environment, &UseCases{Janitor: j}
	if c.Mode == broker.ModeDirect {
		u.Adopter, err = direct.NewAdopter(direct.AdopterConfig{
			Store: p.Store, Pool: j.AppClients, Deployment: c.DeploymentID, Policy: p.Policy, Issuer: c.Issuer, Now: p.Now, Log: p.Log,
		})
		if err != nil {
			return nil, err
		}
	}
	config := usecase.Config{
		Store:           p.Store,
		NewRegistration: direct.NewRegistration,
		Grants:          broker.NoGrants{Err: broker.ErrNoGrants},
		Deployment:      c.DeploymentID,
		Policy:          p.Policy,
		Now:             p.Now,
		Log:             p.Log,
		Modes: broker.ByMode[usecase.Lifecycle]{
			Direct:   direct.NewSwitch(p.Store, p.Now, p.Log),
			Brokered: brokered.NewSwitch(p.Store, p.Now, p.Log),
		},
	}
	if c.Mode == broker.ModeBrokered {
		config.NewRegistration, config.Grants = brokered.NewRegistration, j.Grants
	}
	u.Operator, err = usecase.New(config)
	return u, err
}

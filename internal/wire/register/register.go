// Package register is wiring: the registration and management endpoints with
// their use case and the mode of the environment. In brokered mode it calls no
// API of Cognito.
package register

import (
	"github.com/dcr-broker/dcr-broker/internal/adapter/issuers"
	"github.com/dcr-broker/dcr-broker/internal/endpoint/register"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/internal/wire/pool"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/brokered"
	"github.com/dcr-broker/dcr-broker/pkg/broker/direct"
	"github.com/dcr-broker/dcr-broker/pkg/broker/registration"
)

// Routes adds the endpoints to rt.
func Routes(rt *httpapi.Router, p *wire.Parts) error {
	r, err := New(p)
	if err != nil {
		return err
	}
	register.Mount(rt, r)
	return nil
}

// New returns the use case in the mode of the environment.
func New(p *wire.Parts) (*registration.Registrar, error) {
	if p.Environment.Mode == broker.ModeBrokered {
		return newBrokered(p)
	}
	apps, err := pool.AppClients(p)
	if err != nil {
		return nil, err
	}
	return NewDirect(p, apps)
}

// NewDirect returns the use case in direct mode with other app clients than
// Cognito's, such as an in-memory pool.
func NewDirect(p *wire.Parts, apps direct.Pool) (*registration.Registrar, error) {
	l, err := direct.New(direct.Config{Store: p.Store, Pool: apps, Deployment: p.Environment.DeploymentID, Now: p.Now, Log: p.Log})
	if err != nil {
		return nil, err
	}
	return newRegistrar(p, l, brokered.NewSwitch(p.Store, p.Now, p.Log))
}

func newBrokered(p *wire.Parts) (*registration.Registrar, error) {
	l, err := brokered.New(brokered.Config{Store: p.Store, Keys: p.Keys, Now: p.Now, Log: p.Log})
	if err != nil {
		return nil, err
	}
	return newRegistrar(p, l, direct.NewSwitch(p.Store, p.Now, p.Log))
}

// newRegistrar returns the use case with a mode. former deletes the
// registrations of the other mode.
func newRegistrar(p *wire.Parts, l registration.Lifecycle, former registration.Deleter) (*registration.Registrar, error) {
	return registration.New(registration.Config{
		Store:     p.Store,
		Lifecycle: l,
		Former:    former,
		JWTs:      issuers.New(p.HTTP, p.Now),
		Policy:    p.Policy,
		Issuer:    p.Environment.Issuer,
		Now:       p.Now,
		Log:       p.Log,
	})
}

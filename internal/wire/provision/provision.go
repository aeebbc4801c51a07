// Package provision is wiring: the private function that creates app clients in
// brokered mode.
package provision

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/dcr-broker/dcr-broker/internal/adapter/lambdahttp"
	"github.com/dcr-broker/dcr-broker/internal/adapter/signed"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/internal/wire/pool"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/provision"
)

// Handler returns the handler of the function, which logs a line for each
// invocation.
func Handler(p *wire.Parts) (any, error) {
	provisioner, err := New(p)
	if err != nil {
		return nil, err
	}
	return signed.Handler(logged{provisioner, p.Log}), nil
}

// New returns the provisioner of the user pool, for a process that needs no
// private function.
func New(p *wire.Parts) (*provision.Provisioner, error) {
	apps, err := pool.AppClients(p)
	if err != nil {
		return nil, err
	}
	return NewIn(p, apps)
}

// NewIn returns a provisioner with other app clients than Cognito's, such as an
// in-memory pool.
func NewIn(p *wire.Parts, apps provision.Pool) (*provision.Provisioner, error) {
	return provision.New(provision.Config{
		Store:      p.Store,
		Pool:       apps,
		Policy:     p.Policy,
		Deployment: p.Environment.DeploymentID,
		Keys:       p.Keys,
		Branding:   p.Environment.LoginVersion == 2,
		Operator:   p.Operator,
		Now:        p.Now,
		Log:        p.Log,
	})
}

// logged is a Provisioner that logs a line for each call.
type logged struct {
	broker.Provisioner
	log *slog.Logger
}

// Provision implements broker.Provisioner.
func (l logged) Provision(ctx context.Context, key string) error {
	ctx, end := lambdahttp.BeginInvocation(ctx, l.log, "provisioned")
	err := l.Provisioner.Provision(wire.Pin(ctx), key)
	end(err, slog.String("key", fmt.Sprintf("%.200s", key)))
	return err
}

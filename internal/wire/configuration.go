package wire

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
)

// Configuration returns the configuration in force of the deployment that c
// describes: that of a file if c names one, otherwise that of the table.
func Configuration(c *environment.Environment, table configuration.Reader, now func() time.Time, log *slog.Logger) *configuration.Current {
	if c.ConfigurationFile != "" {
		table = configuration.File(c.ConfigurationFile)
	}
	return configuration.NewCurrent(configuration.CurrentConfig{Reader: table, Deployment: c.Deployment(), Now: now, Log: log})
}

// InForce returns the configuration in force, or an error if p has none.
func (p *Parts) InForce(ctx context.Context) (*configuration.Configuration, error) {
	if p.Configuration == nil {
		return nil, errors.New("wire: this program reads no configuration")
	}
	return p.Configuration(ctx)
}

// Policy returns the policy in force.
func (p *Parts) Policy(ctx context.Context) (*policy.Policy, error) {
	c, err := p.InForce(ctx)
	if err != nil {
		return nil, err
	}
	return c.Policy, nil
}

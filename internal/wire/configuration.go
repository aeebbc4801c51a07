package wire

import (
	"context"
	"log/slog"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
)

// Configuration returns the configuration in force of the deployment that c
// describes: that of a file if c names one, otherwise that of the table.
func Configuration(c *environment.Config, table configuration.Reader, now func() time.Time, log *slog.Logger) *configuration.Current {
	if c.ConfigurationFile != "" {
		table = configuration.File(c.ConfigurationFile)
	}
	return configuration.NewCurrent(configuration.CurrentConfig{Reader: table, Deployment: c.Deployment(), Now: now, Log: log})
}

// Policy returns the policy in force.
func (p *Parts) Policy(ctx context.Context) (*policy.Policy, error) {
	c, err := p.Configuration(ctx)
	if err != nil {
		return nil, err
	}
	return c.Policy, nil
}

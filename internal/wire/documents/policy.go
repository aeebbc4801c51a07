package documents

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/dcr-broker/dcr-broker/internal/config"
	"github.com/dcr-broker/dcr-broker/internal/document"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
)

// Policy returns what finds the policy in force.
func Policy(c *config.Config, sdk aws.Config, log *slog.Logger) (func(context.Context) (*policy.Policy, error), error) {
	if c.Policy != nil {
		return func(context.Context) (*policy.Policy, error) { return c.Policy, nil }, nil
	}
	fetch, err := document.At(c.PolicyDocument, sdk)
	if err != nil {
		return nil, fmt.Errorf("POLICY: %w", err)
	}
	parse := func(body []byte) (*policy.Policy, error) {
		p, err := policy.Parse(body, c.PolicyDeployment())
		if err != nil {
			return nil, err
		}
		return p, config.CheckPublished(c, p)
	}
	return document.Keep(fetch, parse, time.Now, log).Get, nil
}

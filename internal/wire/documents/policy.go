package documents

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/dcr-broker/dcr-broker/internal/adapter/signed"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
)

// Policy returns the function that returns the policy in force.
func Policy(c *environment.Config, sdk aws.Config, log *slog.Logger) (func(context.Context) (*policy.Policy, error), error) {
	if c.Policy != nil {
		return func(context.Context) (*policy.Policy, error) { return c.Policy, nil }, nil
	}
	fetch, err := signed.Document(c.PolicyDocument, sdk)
	if err != nil {
		return nil, fmt.Errorf("POLICY: %w", err)
	}
	parse := func(body []byte) (*policy.Policy, error) {
		p, err := policy.Parse(body, c.Deployment())
		if err != nil {
			return nil, err
		}
		return p, environment.CheckPublished(c, p)
	}
	return signed.Cache(fetch, parse, time.Now, log).Get, nil
}

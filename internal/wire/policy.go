package wire

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

// Policy returns the function that returns the policy in force. A document that
// is stored at AWS is read at first use and again every five minutes.
func Policy(c *environment.Config, sdk aws.Config, now func() time.Time, log *slog.Logger) (func(context.Context) (*policy.Policy, error), error) {
	if c.Policy != nil {
		return func(context.Context) (*policy.Policy, error) { return c.Policy, nil }, nil
	}
	fetch, err := PolicyDocument(c, sdk)
	if err != nil {
		return nil, err
	}
	parse := func(body []byte) (*policy.Policy, error) { return ParsePolicy(c, body) }
	return signed.Cache(fetch, parse, now, log).Get, nil
}

// PolicyDocument returns the function that reads the policy document.
func PolicyDocument(c *environment.Config, sdk aws.Config) (signed.Fetch, error) {
	fetch, err := signed.Document(c.PolicyDocument, sdk)
	if err != nil {
		return nil, fmt.Errorf("POLICY: %w", err)
	}
	return fetch, nil
}

// ParsePolicy parses a policy document, which must fit what c publishes.
func ParsePolicy(c *environment.Config, document []byte) (*policy.Policy, error) {
	p, err := policy.Parse(document, c.Mode, c.Scopes)
	if err != nil {
		return nil, err
	}
	return p, environment.CheckPublished(c, p)
}

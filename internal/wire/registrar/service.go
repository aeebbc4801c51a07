// Package registrar puts together what registering takes: configuration in,
// use cases out. It is apart from package wire because the token function does
// without it, and would pay at every start for what is linked.
package registrar

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"

	"github.com/dcr-broker/dcr-broker/internal/cognito"
	"github.com/dcr-broker/dcr-broker/internal/config"
	"github.com/dcr-broker/dcr-broker/internal/document"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
)

// Service returns the use cases on the user pool and store that c describes.
func Service(c *config.Config, sdk aws.Config, store broker.Store, log *slog.Logger) (*broker.Service, error) {
	api := cip.NewFromConfig(sdk, func(o *cip.Options) {
		o.Region = c.Region
		if c.CognitoEndpoint != "" {
			o.BaseEndpoint = aws.String(c.CognitoEndpoint)
		}
	})
	settings := cognito.DefaultSettings()
	settings.IdentityProviders = c.IdentityProviders
	settings.AccessToken = c.AccessTokenLifetime
	settings.IDToken = c.IDTokenLifetime
	settings.RefreshToken = c.RefreshTokenLifetime
	settings.NoRotation = !c.RefreshTokenRotation
	apps, err := cognito.New(api, cognito.Config{
		Pool:       c.UserPoolID,
		Deployment: c.Deployment,
		Settings:   settings,
		Slots:      store,
	})
	if err != nil {
		return nil, fmt.Errorf("registrar: %w", err)
	}
	current, err := Policy(c, sdk, log)
	if err != nil {
		return nil, err
	}
	return broker.New(broker.Config{
		Store:      store,
		AppClients: apps,
		Policy:     current,
		Issuer:     c.Issuer,
		Now:        time.Now,
		Log:        log,
	})
}

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
		p, err := policy.Parse(body, policy.Deployment{Scopes: c.Scopes})
		if err != nil {
			return nil, err
		}
		return p, config.CheckPublished(c, p)
	}
	return document.Keep(fetch, parse, time.Now, log).Get, nil
}

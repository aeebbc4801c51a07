// Package pool is wiring: the app clients in the user pool, for the functions
// that call Cognito's API, which are register in direct mode, provision and the
// janitor, and for operators.
package pool

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"

	"github.com/dcr-broker/dcr-broker/internal/adapter/cognito"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// AppClients returns the app clients in the user pool of p. It needs only the
// configuration, the SDK and the store, which limits the rate of calls.
func AppClients(p *wire.Parts) (*cognito.AppClients, error) {
	c := p.Environment
	apps, err := cognito.New(API(c, p.SDK), cognito.Config{
		Pool:       c.UserPoolID,
		Deployment: c.DeploymentID,
		Settings:   func(ctx context.Context) (cognito.Settings, error) { return settings(ctx, p) },
		Counters:   p.Store,
		Now:        p.Now,
	})
	if err != nil {
		return nil, fmt.Errorf("pool: %w", err)
	}
	return apps, nil
}

// settings returns the settings of app clients in the configuration in force.
func settings(ctx context.Context, p *wire.Parts) (cognito.Settings, error) {
	conf, err := p.InForce(ctx)
	if err != nil {
		return cognito.Settings{}, err
	}
	s := cognito.DefaultSettings()
	s.IdentityProviders = conf.IdentityProviders
	s.AccessToken, s.IDToken, s.RefreshToken = conf.Tokens.AccessToken, conf.Tokens.IDToken, conf.Tokens.RefreshToken
	s.NoRotation = !conf.Tokens.Rotation
	s.Callback = p.Environment.Issuer + broker.CallbackPath
	s.SignOut = p.Environment.Issuer + broker.SignedOutPath
	s.Quota = conf.AppClientQuota
	return s, nil
}

// API returns the client of Cognito's API in the region of c.
func API(c *environment.Environment, sdk aws.Config) *cip.Client {
	return cip.NewFromConfig(sdk, func(o *cip.Options) {
		o.Region = c.Region
		if c.CognitoEndpoint != "" {
			o.BaseEndpoint = aws.String(c.CognitoEndpoint)
		}
	})
}

// Package wire puts the parts together: configuration in, use cases and clients
// of AWS out. It is the one place that knows both a port and its adapter.
package wire

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"

	"github.com/dcr-broker/dcr-broker/internal/authorize"
	"github.com/dcr-broker/dcr-broker/internal/cognito"
	"github.com/dcr-broker/dcr-broker/internal/config"
	"github.com/dcr-broker/dcr-broker/internal/document"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
)

// AppClients returns the app clients in the user pool that c describes.
func AppClients(c *config.Config, sdk aws.Config, slots cognito.Slots) (*cognito.AppClients, error) {
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
	settings.Callback = c.Issuer + authorize.CallbackPath
	settings.SignOut = c.Issuer + authorize.SignedOutPath
	apps, err := cognito.New(api, cognito.Config{
		Pool:       c.UserPoolID,
		Deployment: c.Deployment,
		Settings:   settings,
		Slots:      slots,
	})
	if err != nil {
		return nil, fmt.Errorf("wire: %w", err)
	}
	return apps, nil
}

// Service returns the use cases of registration and management. In brokered
// mode they call nothing at Cognito.
func Service(c *config.Config, sdk aws.Config, store broker.Store, log *slog.Logger) (*broker.Service, error) {
	bc, err := useCases(c, sdk, store, log)
	if err != nil {
		return nil, err
	}
	if c.Authorization == config.Direct {
		if bc.AppClients, err = AppClients(c, sdk, store); err != nil {
			return nil, err
		}
	}
	return broker.New(bc)
}

// Janitor returns the use cases with all that Reconcile needs.
func Janitor(c *config.Config, sdk aws.Config, store broker.Store, log *slog.Logger) (*broker.Service, error) {
	bc, err := useCases(c, sdk, store, log)
	if err != nil {
		return nil, err
	}
	apps, err := AppClients(c, sdk, store)
	if err != nil {
		return nil, err
	}
	bc.AppClients, bc.Updater = apps, apps
	return broker.New(bc)
}

// Provisioning returns what makes app clients in brokered mode.
func Provisioning(c *config.Config, sdk aws.Config, store broker.Store, log *slog.Logger) (*broker.Provisioning, error) {
	apps, err := AppClients(c, sdk, store)
	if err != nil {
		return nil, err
	}
	current, err := Policy(c, sdk, log)
	if err != nil {
		return nil, err
	}
	keys, err := NewKeys(c, sdk, log)
	if err != nil {
		return nil, err
	}
	return broker.NewProvisioning(broker.ProvisioningConfig{
		Store: store, Maker: apps, Policy: current, Keys: keys.Ring,
		Branding: c.LoginVersion == 2, Now: time.Now, Log: log,
	})
}

func useCases(c *config.Config, sdk aws.Config, store broker.Store, log *slog.Logger) (broker.Config, error) {
	bc := broker.Config{Mode: broker.Mode(c.Authorization), Store: store, Issuer: c.Issuer, Now: time.Now, Log: log}
	var err error
	if bc.Policy, err = Policy(c, sdk, log); err != nil || c.Authorization == config.Direct {
		return bc, err
	}
	keys, err := NewKeys(c, sdk, log)
	if err != nil {
		return bc, err
	}
	bc.Keys = keys.Ring
	return bc, nil
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
		p, err := policy.Parse(body, c.PolicyDeployment())
		if err != nil {
			return nil, err
		}
		return p, config.CheckPublished(c, p)
	}
	return document.Keep(fetch, parse, time.Now, log).Get, nil
}

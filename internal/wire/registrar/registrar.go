// Package registrar puts together what registering takes, and making app
// clients and removing them: configuration in, use cases out. It is apart from
// package wire because most functions do without it, and would pay for what is
// linked at every start.
package registrar

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/dcr-broker/dcr-broker/internal/adapter/cognito"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/wire/documents"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/broker/usecase"
)

// AppClients returns the app clients in the user pool that c describes.
func AppClients(c *environment.Config, sdk aws.Config, slots cognito.Slots) (*cognito.AppClients, error) {
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
	settings.Callback = c.Issuer + broker.CallbackPath
	settings.SignOut = c.Issuer + broker.SignedOutPath
	apps, err := cognito.New(api, cognito.Config{
		Pool:       c.UserPoolID,
		Deployment: c.DeploymentID,
		Settings:   settings,
		Slots:      slots,
		Quota:      c.AppClientQuota,
	})
	if err != nil {
		return nil, fmt.Errorf("registrar: %w", err)
	}
	return apps, nil
}

// Service returns the use cases of registration and management. In brokered
// mode they call nothing at Cognito. jwts is apart because it links what nobody
// else needs.
func Service(c *environment.Config, sdk aws.Config, store broker.Store, jwts policy.JWTVerifier, log *slog.Logger) (*usecase.Service, error) {
	bc, err := useCases(c, sdk, store, log)
	if err != nil {
		return nil, err
	}
	bc.JWTs = jwts
	if c.Mode == broker.ModeDirect {
		if bc.AppClients, err = AppClients(c, sdk, store); err != nil {
			return nil, err
		}
	}
	return usecase.New(bc)
}

// Operating returns the use cases with all that Sweep and operators need. Who
// registers nobody passes nil for jwts, and grants is nil in direct mode.
func Operating(c *environment.Config, sdk aws.Config, store broker.Store, grants broker.GrantEnder, jwts policy.JWTVerifier, log *slog.Logger) (*usecase.Service, error) {
	bc, err := useCases(c, sdk, store, log)
	if err != nil {
		return nil, err
	}
	bc.JWTs = jwts
	apps, err := AppClients(c, sdk, store)
	if err != nil {
		return nil, err
	}
	bc.AppClients, bc.Updater, bc.Adopter, bc.Grants = apps, apps, apps, grants
	bc.Branding = c.Mode == broker.ModeBrokered && c.LoginVersion == 2
	return usecase.New(bc)
}

// Provisioning returns what makes app clients in brokered mode.
func Provisioning(c *environment.Config, sdk aws.Config, store broker.Store, log *slog.Logger) (*usecase.Provisioning, error) {
	apps, err := AppClients(c, sdk, store)
	if err != nil {
		return nil, err
	}
	current, err := documents.Policy(c, sdk, log)
	if err != nil {
		return nil, err
	}
	keys, err := documents.NewKeys(c, sdk, log)
	if err != nil {
		return nil, err
	}
	return usecase.NewProvisioning(usecase.ProvisioningConfig{
		Store: store, Maker: apps, Policy: current, Deployment: c.DeploymentID, Keys: keys.Ring,
		Branding: c.LoginVersion == 2, Now: time.Now, Log: log,
	})
}

func useCases(c *environment.Config, sdk aws.Config, store broker.Store, log *slog.Logger) (usecase.Config, error) {
	bc := usecase.Config{Mode: c.Mode, Store: store, Deployment: c.DeploymentID, Issuer: c.Issuer, Now: time.Now, Log: log}
	var err error
	if bc.Policy, err = documents.Policy(c, sdk, log); err != nil || c.Mode == broker.ModeDirect {
		return bc, err
	}
	keys, err := documents.NewKeys(c, sdk, log)
	if err != nil {
		return bc, err
	}
	bc.Keys = keys.Ring
	return bc, nil
}

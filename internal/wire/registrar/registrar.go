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
	"github.com/dcr-broker/dcr-broker/pkg/broker/brokered"
	"github.com/dcr-broker/dcr-broker/pkg/broker/direct"
	"github.com/dcr-broker/dcr-broker/pkg/broker/provision"
	"github.com/dcr-broker/dcr-broker/pkg/broker/registration"
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

// Registrar returns the use case of registration, in the mode of c. In brokered
// mode it calls nothing at Cognito.
func Registrar(c *environment.Config, sdk aws.Config, store broker.Store, jwts registration.JWTs, log *slog.Logger) (*registration.Registrar, error) {
	current, err := documents.Policy(c, sdk, log)
	if err != nil {
		return nil, err
	}
	rc := registration.Config{Store: store, Mode: c.Mode, JWTs: jwts, Policy: current, Issuer: c.Issuer, Now: time.Now, Log: log}
	if c.Mode == broker.ModeDirect {
		rc.Former = brokered.NewSwitch(store, time.Now, log)
		apps, err := AppClients(c, sdk, store)
		if err != nil {
			return nil, err
		}
		rc.Lifecycle, err = direct.New(direct.Config{Store: store, Pool: apps, Deployment: c.DeploymentID, Now: time.Now, Log: log})
		if err != nil {
			return nil, err
		}
		return registration.New(rc)
	}
	rc.Former = direct.NewSwitch(store, time.Now, log)
	keys, err := documents.NewKeys(c, sdk, log)
	if err != nil {
		return nil, err
	}
	if rc.Lifecycle, err = brokered.New(brokered.Config{Store: store, Keys: keys.Ring, Now: time.Now, Log: log}); err != nil {
		return nil, err
	}
	return registration.New(rc)
}

// Provisioner returns what makes app clients in brokered mode.
func Provisioner(c *environment.Config, sdk aws.Config, store broker.Store, log *slog.Logger) (*provision.Provisioner, error) {
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
	return provision.New(provision.Config{
		Store: store, Pool: apps, Policy: current, Deployment: c.DeploymentID, Keys: keys.Ring,
		Branding: c.LoginVersion == 2, Now: time.Now, Log: log,
	})
}

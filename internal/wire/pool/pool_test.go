package pool

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/cognito"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
)

func TestSettingsAreThoseOfTheConfigurationInForce(t *testing.T) {
	c := &environment.Environment{}
	c.Issuer = "https://auth.example.com"
	inForce := &configuration.Configuration{
		IdentityProviders: []string{"COGNITO", "Okta"}, AppClientQuota: 2000,
		Tokens: configuration.Tokens{AccessToken: 10 * time.Minute, IDToken: 20 * time.Minute, RefreshToken: 48 * time.Hour},
	}
	p := &wire.Parts{Environment: c, Configuration: func(context.Context) (*configuration.Configuration, error) { return inForce, nil }}
	want := cognito.DefaultSettings()
	want.IdentityProviders, want.Quota, want.NoRotation = inForce.IdentityProviders, 2000, true
	want.AccessToken, want.IDToken, want.RefreshToken = 10*time.Minute, 20*time.Minute, 48*time.Hour
	want.Callback, want.SignOut = "https://auth.example.com/callback", "https://auth.example.com/signed-out"
	got, err := settings(t.Context(), p)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("settings = %+v, %v, want %+v", got, err, want)
	}

	changed := *inForce
	changed.Tokens.Rotation = true
	inForce, want.NoRotation = &changed, false
	got, err = settings(t.Context(), p)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("after a change: settings = %+v, %v, want %+v", got, err, want)
	}
}

func TestWithoutConfigurationThereAreNoSettings(t *testing.T) {
	cause := errors.New("not read")
	unread := func(context.Context) (*configuration.Configuration, error) { return nil, cause }
	if got, err := settings(t.Context(), &wire.Parts{Configuration: unread}); !errors.Is(err, cause) {
		t.Errorf("settings = %+v, %v, want the error of the read", got, err)
	}
	// A tool that only lists and removes app clients reads no configuration.
	if got, err := settings(t.Context(), new(wire.Parts)); err == nil {
		t.Errorf("settings of a tool without configuration = %+v, want an error", got)
	}
}

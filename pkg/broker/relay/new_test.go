package relay_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/cognitoauth"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
	"github.com/dcr-broker/dcr-broker/pkg/broker/relay"
	"github.com/dcr-broker/dcr-broker/pkg/broker/token"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

func relayConfig(r *registrations) relay.Config {
	return relay.Config{
		Clients: clients.New(broker.ModeDirect, r, time.Now), Cognito: cognitoauth.New(cognitoauth.Config{TokenEndpoint: "http://192.0.2.1"}),
		Log: slog.New(slog.DiscardHandler), ForwardResource: func(context.Context) (bool, error) { return false, nil },
	}
}

func TestNewRelayRefusesAMissingField(t *testing.T) {
	for name, drop := range map[string]func(*relay.Config){
		"Clients": func(c *relay.Config) { c.Clients = nil },
		"Cognito": func(c *relay.Config) { c.Cognito = nil },
		"Log":     func(c *relay.Config) { c.Log = nil },
	} {
		c := relayConfig(newRegistrations())
		drop(&c)
		if _, err := relay.New(c); err == nil {
			t.Errorf("no error without %s", name)
		}
	}
}

// Every grant type that a client can register has an implementation: the
// request is refused, or fails because Cognito cannot be reached.
func TestEveryGrantTypeIsImplemented(t *testing.T) {
	r := newRegistrations()
	r.add("all", dcr.AuthNone, readScope, dcr.GrantTypes()...)
	relay, err := relay.New(relayConfig(r))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, grantType := range dcr.GrantTypes() {
		_, err := relay.Token(ctx, token.Request{Client: clients.Credentials{ID: "all"}, GrantType: grantType})
		if _, ok := errors.AsType[*dcr.Error](err); !ok {
			t.Errorf("%s: %v, want a refusal", grantType, err)
		}
	}
}

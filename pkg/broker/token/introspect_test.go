package token_test

import (
	"context"
	"errors"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/token"
)

const server = "https://mcp.example.com/mcp"

// oneServer is a configuration with one protected resource, which may introspect
// with these ids and secrets.
func oneServer(secrets map[string]string) *configuration.Configuration {
	c := &configuration.Configuration{Resources: []broker.Resource{{URL: server, Scopes: []string{scope}}}}
	for id, secret := range secrets {
		c.IntrospectionClients = append(c.IntrospectionClients, configuration.IntrospectionClient{
			ID: id, SecretSHA256: configuration.Digest([]byte(secret)), Resource: server,
		})
	}
	return c
}

// With one protected resource too, only its own credentials authenticate.
func TestIntrospectionNeedsTheCredentialsOfAProtectedResource(t *testing.T) {
	w := newWorld(t)
	broken := oneServer(map[string]string{"notes": "s3cret", "empty": ""})
	broken.IntrospectionClients = append(broken.IntrospectionClients, configuration.IntrospectionClient{ID: "none", Resource: server})
	w.config.Configuration = func(context.Context) (*configuration.Configuration, error) { return broken, nil }
	for _, tt := range []struct {
		id, secret string
		ok         bool
	}{
		{"notes", "s3cret", true},
		{"notes", "other", false},
		{"notes", "", false},
		{"nobody", "s3cret", false},
		{"nobody", "", false},
		{"", "", false},
		{"", "s3cret", false},
		{"empty", "", false}, // the hash of no secret was stored
		{"empty", "s3cret", false},
		{"none", "", false}, // no hash was stored
		{"none", "s3cret", false},
	} {
		_, err := w.issuer().Introspect(t.Context(), token.IntrospectionRequest{Client: clients.Credentials{ID: tt.id, Secret: tt.secret}, Token: "x"})
		refusal, refused := errors.AsType[*broker.Refusal](err)
		if tt.ok && err != nil || !tt.ok && (!refused || refusal.Code != broker.InvalidClient) {
			t.Errorf("Introspect as %q with the secret %q: got error %v, want success: %t", tt.id, tt.secret, err, tt.ok)
		}
	}
}

// A protected resource that an operator has just added is known at once to a
// process with an older configuration.
func TestANewProtectedResourceMayIntrospectAtOnce(t *testing.T) {
	w := newWorld(t)
	old, renewed := oneServer(nil), oneServer(map[string]string{"notes": "s3cret"})
	var newest *configuration.Configuration
	var readErr error
	w.config.Configuration = func(ctx context.Context) (*configuration.Configuration, error) {
		if broker.WantsNewest(ctx) {
			return newest, readErr
		}
		return old, nil
	}
	for _, tt := range []struct {
		name   string
		newest *configuration.Configuration
		err    error
		want   error
	}{
		{"it is there", renewed, nil, nil},
		{"it is not there", old, nil, broker.Refuse(broker.InvalidClient, "authentication of the protected resource or client failed")},
		{"the store fails", nil, broker.NotReady(errors.New("no store")), broker.NotReady(errors.New("no store"))},
	} {
		newest, readErr = tt.newest, tt.err
		_, err := w.issuer().Introspect(t.Context(), token.IntrospectionRequest{Client: clients.Credentials{ID: "notes", Secret: "s3cret"}, Token: "x"})
		if (err == nil) != (tt.want == nil) || err != nil && err.Error() != tt.want.Error() {
			t.Errorf("%s: got error %v, want %v", tt.name, err, tt.want)
		}
	}
}

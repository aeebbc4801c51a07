package devstack

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/dcr-broker/dcr-broker/internal/adapter/dynamo"
	"github.com/dcr-broker/dcr-broker/internal/adapter/signed"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configure"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/clock"
)

// SurroundingsOptions has the addresses for a broker whose functions run in
// containers on this machine. Host, Issuer, AWS, Lambda and Provision are
// required.
type SurroundingsOptions struct {
	// Cognito and MCP are the addresses to listen on for browsers and clients:
	// loopback addresses, as in Options.
	Cognito string
	MCP     string
	// BackChannel is another address of the local Cognito, for functions that
	// cannot reach the loopback addresses of this machine. Optional; without it
	// functions use the same port as browsers.
	BackChannel string
	// Host is this machine's name or address for the functions.
	Host string
	// Issuer is the broker's own origin.
	Issuer string
	// Table is the name of the table. Optional; default: dcr-broker.
	Table string
	// AWS is the origin of an emulator of DynamoDB and Secrets Manager, for this
	// process. The functions use the same port of Host.
	AWS string
	// Lambda is the origin of the Lambda API for the functions, and Provision the
	// name there of the function that creates app clients.
	Lambda    string
	Provision string
	// Log is the MCP server's log. Optional; nil discards it.
	Log *slog.Logger
	// Getenv changes the broker's environment, as Options.Getenv does.
	Getenv func(string) string
	// Configuration is the path of the broker's configuration, which is stored in
	// the table. Optional; default: the example, with the sample MCP server.
	Configuration string
}

// Surroundings is everything that a broker in brokered mode depends on: the
// local Cognito, a table and the sealing keys, and an MCP server for it to
// protect.
type Surroundings struct {
	// Issuer, MCP and Cognito are the URLs of the broker, of the MCP endpoint,
	// and of the local Cognito, for browsers and clients.
	Issuer  string
	MCP     string
	Cognito string
	// InitialAccessToken allows any number of registrations under the profile
	// that Stack.TokenProfile would have, and OneUseToken one registration. Both
	// are empty if there is no such profile.
	InitialAccessToken string
	OneUseToken        string
	// Environment has the environment variables of the functions.
	Environment map[string]string

	stack *Stack // without a broker
}

// Surround creates the table and the keys, and starts the servers. The error is
// an *AddressError if a server cannot listen on its address.
func Surround(ctx context.Context, o SurroundingsOptions) (*Surroundings, error) {
	o.Table = cmp.Or(o.Table, "dcr-broker")
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	var l listeners
	cognito, mcp := l.open("cognito", o.Cognito), l.open("mcp", o.MCP)
	back := cognito
	if o.BackChannel != "" {
		back = l.open("back-channel", o.BackChannel)
	}
	if l.err != nil {
		l.close()
		return nil, l.err
	}
	s := &Surroundings{Issuer: o.Issuer, MCP: origin(mcp) + "/mcp", Cognito: origin(cognito)}
	s.stack = &Stack{Issuer: s.Issuer, MCP: s.MCP, Cognito: s.Cognito, stop: func() {}}
	handlers, err := s.build(ctx, o, back)
	if err != nil {
		l.close()
		return nil, err
	}
	for i, listener := range l.opened {
		s.stack.serve(listener, handlers[i])
	}
	return s, nil
}

// Close stops the servers as Stack.Close does. It does not delete table and
// keys.
func (s *Surroundings) Close() error { return s.stack.Close() }

// build returns the handlers of Cognito, MCP server and back channel, in that
// order.
func (s *Surroundings) build(ctx context.Context, o SurroundingsOptions, back net.Listener) ([]http.Handler, error) {
	if err := s.configure(o, back); err != nil {
		return nil, err
	}
	// A function would report a wrong configuration only in its log.
	c, err := environment.All(func(name string) string { return s.Environment[name] })
	if err != nil {
		return nil, err
	}
	body, conf, err := document{o.Configuration, s.MCP, c.Deployment()}.load()
	if err != nil {
		return nil, err
	}
	pool, err := newPool(s.Cognito, c.Mode, conf)
	if err != nil {
		return nil, err
	}
	mcp, err := s.stack.sampleServer(c, func() *configuration.Configuration { return conf }, o.Log)
	if err != nil {
		return nil, err
	}
	return []http.Handler{pool, mcp, pool}, errors.Join(makeKeys(ctx, o.AWS, keysOf(o.Table)), s.makeTable(ctx, o, c.Deployment(), body, tokenProfile(conf.Policy)))
}

func (s *Surroundings) configure(o SurroundingsOptions, back net.Listener) error {
	services, err := url.Parse(o.AWS)
	if err != nil || services.Port() == "" {
		return fmt.Errorf("%q is not an origin with a port", o.AWS)
	}
	emulator := "http://" + net.JoinHostPort(o.Host, services.Port())
	_, port, _ := net.SplitHostPort(back.Addr().String()) // a TCP listener's address has a port
	channel := "http://" + net.JoinHostPort(o.Host, port)

	s.Environment = s.stack.environment()
	maps.Copy(s.Environment, map[string]string{
		"AUTHORIZATION":        string(broker.ModeBrokered),
		"COGNITO_BACK_CHANNEL": channel,
		"COGNITO_DISCOVERY":    channel + "/" + poolID + "/.well-known/openid-configuration",
		"COGNITO_ENDPOINT":     channel,
		"TABLE_NAME":           o.Table,
		"DYNAMODB_ENDPOINT":    emulator,
		"KEYS":                 "secretsmanager:" + keysOf(o.Table),
		"KEYS_ENDPOINT":        emulator,
		"LAMBDA_ENDPOINT":      o.Lambda,
		"PROVISION_FUNCTION":   o.Provision,
	})
	find := overridable(s.Environment, o.Getenv)
	for name := range s.Environment {
		s.Environment[name] = find(name)
	}
	return nil
}

func keysOf(table string) string { return table + "-keys" }

// makeKeys creates the secret with the sealing keys from a random seed, as a
// deployment's template does.
func makeKeys(ctx context.Context, origin, name string) error {
	document, err := json.Marshal(map[string]any{"version": 1, "seed": rand.Text() + rand.Text() + rand.Text()})
	if err != nil {
		return err
	}
	in := struct{ Name, SecretString, ClientRequestToken string }{name, string(document), rand.Text() + rand.Text()}
	if err := signed.New("secretsmanager", emulatedAWS(origin)).Call(ctx, "secretsmanager.CreateSecret", in, &struct{}{}); err != nil {
		return fmt.Errorf("create secret %s: %w", name, err)
	}
	return nil
}

// makeTable creates the table, and stores the configuration and the initial
// access tokens of the profile.
func (s *Surroundings) makeTable(ctx context.Context, o SurroundingsOptions, d broker.Deployment, conf []byte, profile string) error {
	client := dynamodb.NewFromConfig(emulatedAWS(o.AWS))
	if err := dynamo.CreateTable(ctx, client, o.Table); err != nil {
		return err
	}
	store := dynamo.New(client, o.Table, clock.Now)
	writer, err := configure.New(configure.Config{Store: store.Configuration(), Deployment: d, Now: clock.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	if _, err := writer.Apply(ctx, conf, "dcr-dev", 0); err != nil {
		return err
	}
	if profile == "" {
		return nil
	}
	return s.makeTokens(ctx, store, profile)
}

func (s *Surroundings) makeTokens(ctx context.Context, store broker.Store, profile string) error {
	for _, t := range []struct {
		token *string
		uses  int
	}{{&s.InitialAccessToken, 0}, {&s.OneUseToken, 1}} {
		tok, rec, err := credential.NewInitialAccessToken(credential.Terms{Label: "local", Profile: profile, CreatedBy: "dcr-dev", MaxUses: t.uses}, clock.Now())
		if err != nil {
			return err
		}
		if err := store.CreateInitialAccessToken(ctx, rec); err != nil {
			return err
		}
		*t.token = tok.Reveal()
	}
	return nil
}

// emulatedAWS returns the configuration for emulated services at origin.
func emulatedAWS(origin string) aws.Config {
	c := localAWS()
	c.BaseEndpoint = &origin
	return c
}

// localAWS returns the configuration for services that ignore credentials, but
// separate regions.
func localAWS() aws.Config {
	return aws.Config{Region: Region, Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
	})}
}

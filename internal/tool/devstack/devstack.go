// Package devstack is a tool: it runs the whole broker in one process, with a
// local Cognito, the broker on an in-memory store, and a sample MCP server,
// each on a loopback port. The broker is wired and configured as it is in the
// cloud; only the store and the addresses differ. It is for development and the
// end-to-end tests, and keeps no data after it is closed. It leaves out Lambda
// and DynamoDB, except for Surround, which leaves out the broker instead.
package devstack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/janitor"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
	"github.com/dcr-broker/dcr-broker/pkg/clock"
)

// The users of the local Cognito. The second is for trying a sign-in while
// another user is signed in.
const (
	Username      = "alice"
	Password      = "Correct-Horse-9"
	OtherUsername = "bob"
	OtherPassword = "Battery-Staple-7"
)

// The sample MCP server's credentials at the introspection endpoint. It does
// not use them itself; only brokered mode has that endpoint.
const (
	IntrospectionID     = "sample"
	IntrospectionSecret = "Sample-Server-9"
)

// UserGroup is the group of the first user.
const UserGroup = "staff"

// Region is the region of the local Cognito's pool.
const Region = "us-east-1"

// Options has the addresses to listen on. An empty address means a free port of
// localhost.
type Options struct {
	Cognito string
	Broker  string
	MCP     string
	// Log is the broker's log. Optional; nil discards it.
	Log *slog.Logger
	// Getenv returns variables that change the broker's environment. Variables
	// that the stack sets, such as addresses, cannot be changed. Optional.
	Getenv func(string) string
	// Configuration is the path of the broker's configuration. The stack watches
	// the file. If it lists no protected resources, the sample MCP server is one.
	// Optional; default: the example, with the sample MCP server.
	Configuration string
	// Changed is called after each change of that file: with nil if the new
	// configuration is in force, else with an error that has every fault, each on
	// a line of its own. Optional.
	Changed func(error)

	tick <-chan time.Time // when to look at the file; nil for every second
}

// Stack is a running stack.
type Stack struct {
	// Issuer, MCP and Cognito are the URLs of the broker, of the MCP endpoint,
	// and of the local Cognito.
	Issuer  string
	MCP     string
	Cognito string
	// Authorization is the mode that the broker runs in.
	Authorization broker.Mode
	// Configuration is the broker's configuration at the start.
	Configuration *configuration.Configuration
	// InitialAccessToken allows any number of registrations under
	// TokenProfile. Both are empty if no profile accepts a registration without
	// a software statement.
	InitialAccessToken string
	TokenProfile       string
	Username           string
	Password           string
	// Pool is the local Cognito, for its fault switches.
	Pool *emulator.Cognito

	keys    string // file of the sealing keys
	broker  *localBroker
	servers []*http.Server
	stop    context.CancelFunc
	running sync.WaitGroup
}

// AddressError means that a server cannot listen on its address.
type AddressError struct {
	// Server is "cognito", "broker" or "mcp", as in the names of the options.
	Server  string
	Address string
	Err     error
}

func (e *AddressError) Error() string {
	return fmt.Sprintf("%s cannot listen on %s: %v", e.Server, e.Address, e.Err)
}

// Unwrap returns the reason.
func (e *AddressError) Unwrap() error { return e.Err }

// Start starts everything. The error is an *AddressError if a server cannot
// listen on its address. If the configuration has faults, the error has every
// fault, each on a line of its own.
func Start(ctx context.Context, o Options) (*Stack, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	var l listeners
	cognito, issuer, mcp := l.open("cognito", o.Cognito), l.open("broker", o.Broker), l.open("mcp", o.MCP)
	if l.err != nil {
		l.close()
		return nil, l.err
	}
	s := &Stack{
		Cognito:  origin(cognito),
		Issuer:   origin(issuer),
		MCP:      origin(mcp) + "/mcp",
		Username: Username,
		Password: Password,
	}
	ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	handlers, err := s.build(ctx, o)
	if err != nil {
		s.stop()
		l.close()
		os.Remove(s.keys)
		return nil, err
	}
	for i, listener := range l.opened {
		s.serve(listener, handlers[i])
	}
	return s, nil
}

// Close stops everything, and waits at most 3 seconds for running requests.
func (s *Stack) Close() error {
	s.stop()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	var err error
	for _, srv := range s.servers {
		if e := srv.Shutdown(ctx); e != nil {
			err = errors.Join(err, srv.Close())
		}
	}
	s.running.Wait()
	os.Remove(s.keys)
	return err
}

// NewInitialAccessToken creates an initial access token for g, as an operator
// does, and returns the only copy.
func (s *Stack) NewInitialAccessToken(ctx context.Context, g credential.Terms) (string, error) {
	tok, rec, err := credential.NewInitialAccessToken(g, clock.Now())
	if err != nil {
		return "", err
	}
	if err := s.broker.store.CreateInitialAccessToken(ctx, rec); err != nil {
		return "", err
	}
	return tok.Reveal(), nil
}

// Sweep runs the janitor's sweep now; it also runs every minute. The sweep
// finishes pending work at Cognito, such as removing the app clients of deleted
// clients.
func (s *Stack) Sweep(ctx context.Context) error {
	_, err := s.broker.janitor.Sweep(ctx, janitor.Options{})
	return err
}

// build returns the handlers of Cognito, broker and MCP server, in that order.
func (s *Stack) build(ctx context.Context, o Options) ([]http.Handler, error) {
	c, err := s.settings(o)
	if err != nil {
		return nil, err
	}
	s.Authorization = c.Mode
	conf, err := newLive(document{o.Configuration, s.MCP, c.Deployment()})
	if err != nil {
		return nil, err
	}
	s.Configuration = conf.good.Load()
	if s.Pool, err = newPool(s.Cognito, c.Mode, s.Configuration); err != nil {
		return nil, err
	}
	if s.broker, err = newBroker(c, conf, o.Log); err != nil {
		return nil, err
	}
	mcp, err := s.sampleServer(c, conf.good.Load, o.Log)
	if err != nil {
		return nil, err
	}
	if s.TokenProfile = tokenProfile(s.Configuration.Policy); s.TokenProfile != "" {
		if s.InitialAccessToken, err = s.NewInitialAccessToken(ctx, credential.Terms{Label: "local", Profile: s.TokenProfile, CreatedBy: "dcr-dev"}); err != nil {
			return nil, err
		}
	}
	s.running.Go(func() { s.broker.sweep(ctx, o.Log) })
	if o.Configuration != "" {
		s.watch(ctx, conf, o)
	}
	return []http.Handler{s.Pool, s.broker.handler, mcp}, nil
}

// watch starts watching the configuration file. When a new configuration is in
// force, its scopes exist at the local Cognito and its profiles' app clients have
// them, as after dcrctl config apply.
func (s *Stack) watch(ctx context.Context, conf *live, o Options) {
	tick, stop := o.tick, func() {}
	if tick == nil {
		t := time.NewTicker(watchEvery)
		tick, stop = t.C, t.Stop
	}
	s.running.Go(func() {
		defer stop()
		conf.watch(ctx, tick, func(ctx context.Context, fault error) {
			if fault == nil {
				if err := errors.Join(s.Pool.DeclareScopes(conf.good.Load().ScopeNames()), s.Sweep(ctx)); err != nil {
					o.Log.Error("the local Cognito does not have the new configuration", "error", err)
				}
			}
			if o.Changed != nil {
				o.Changed(fault)
			}
		})
	})
}

// newPool returns a local Cognito for a broker of this mode, with the scopes of
// conf.
func newPool(origin string, mode broker.Mode, conf *configuration.Configuration) (*emulator.Cognito, error) {
	// With managed login an app client needs a branding style, which direct mode
	// does not create.
	login := 2
	if mode == broker.ModeDirect {
		login = 1
	}
	pool, err := emulator.New(emulator.Config{
		BaseURL: origin,
		Users: []emulator.User{
			{Name: Username, Password: Password, Email: "alice@example.com", Groups: []string{UserGroup}},
			{Name: OtherUsername, Password: OtherPassword, Email: "bob@example.com"},
		},
		Plan:         emulator.Essentials,
		ManagedLogin: login,
	})
	if err != nil {
		return nil, err
	}
	return pool, pool.DeclareScopes(conf.ScopeNames())
}

// settings returns the environment of all functions together, because here they
// are one process.
func (s *Stack) settings(o Options) (*environment.Environment, error) {
	file, err := os.CreateTemp("", "dcr-dev-keys-*.json")
	if err != nil {
		return nil, err
	}
	s.keys = file.Name()
	if _, err := file.Write(seal.Generate()); err != nil {
		return nil, err
	}
	if err := file.Close(); err != nil {
		return nil, err
	}
	return environment.All(overridable(s.environment(), o.Getenv))
}

// environment returns the environment variables that a deployment sets for its
// functions.
func (s *Stack) environment() map[string]string {
	return map[string]string{
		"ISSUER":             s.Issuer,
		"AWS_REGION":         Region,
		"USER_POOL_ID":       poolID,
		"COGNITO_ISSUER":     s.Cognito + "/" + poolID,
		"COGNITO_DOMAIN":     s.Cognito,
		"COGNITO_ENDPOINT":   s.Cognito,
		"TABLE_NAME":         "in-memory",
		"DEPLOYMENT_ID":      "local",
		"LOG_LEVEL":          "info",
		"KEYS":               s.keys,
		"PROVISION_FUNCTION": "in-process",
		"LOGIN_VERSION":      "2",
	}
}

// overridable returns a lookup of variables: getenv can set LOG_LEVEL and all
// variables that env does not set.
func overridable(env map[string]string, getenv func(string) string) func(string) string {
	return func(name string) string {
		if v := env[name]; v != "" && name != "LOG_LEVEL" {
			return v
		}
		if getenv != nil {
			if v := getenv(name); v != "" {
				return v
			}
		}
		return env[name]
	}
}

const poolID = Region + "_local00001"

func (s *Stack) serve(l net.Listener, h http.Handler) {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	s.servers = append(s.servers, srv)
	s.running.Go(func() { srv.Serve(l) })
}

// listeners opens listeners until one fails, and keeps that error.
type listeners struct {
	opened []net.Listener
	err    error
}

func (l *listeners) open(server, address string) net.Listener {
	if l.err != nil {
		return nil
	}
	if address == "" {
		address = "localhost:0"
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		l.err = &AddressError{server, address, err}
		return nil
	}
	l.opened = append(l.opened, listener)
	return listener
}

func (l *listeners) close() {
	for _, o := range l.opened {
		o.Close()
	}
}

// origin returns the listener's origin with the name localhost, whichever
// loopback address it has: users know that name, and Cognito allows http
// redirects to it.
func origin(l net.Listener) string {
	_, port, _ := net.SplitHostPort(l.Addr().String()) // a TCP listener's address has a port
	return "http://localhost:" + port
}

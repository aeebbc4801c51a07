// Package wire is wiring: it creates the parts that functions share from the
// environment. It leaves out the parts that only some functions need, because a
// function initializes all packages that it links at every start. Those parts
// are in package pool and in a package for each function, below this one.
// Package metadata, which links no client of an AWS service, does not use this
// package.
package wire

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/dcr-broker/dcr-broker/internal/adapter/awssdk"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/internal/wire/front"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
	"github.com/dcr-broker/dcr-broker/pkg/clock"
)

// Parts are the parts from which functions are wired. New makes those of a
// deployment in the cloud. A process that runs elsewhere can replace parts.
type Parts struct {
	Environment *environment.Environment
	SDK         aws.Config
	Store       Store
	// Configuration returns the configuration in force; see Pinned. A tool that
	// needs no configuration may leave it nil.
	Configuration func(context.Context) (*configuration.Configuration, error)
	// Keys returns the sealing keys. It is nil if the environment names none,
	// as in direct mode.
	Keys func(context.Context) (*seal.Ring, error)
	// Provisioner creates app clients in this process, instead of the private
	// function. It is nil in the cloud.
	Provisioner broker.Provisioner
	// HTTP calls Cognito's OAuth endpoints and fetches the key sets of issuers.
	// nil is a client with http.DefaultTransport.
	HTTP *http.Client
	// Operator is the operator in whose process the parts are, empty in functions.
	// Audit events then name the operator in place of the broker and the janitor.
	Operator string
	// Now is the clock of all parts.
	Now func() time.Time
	Log *slog.Logger
}

// Store holds registrations, app clients and grants.
type Store interface {
	broker.Store
	broker.GrantStore
}

// New returns the parts of the deployment that c describes, with its table as
// the store. It opens no connection.
func New(c *environment.Environment, sdk aws.Config, log *slog.Logger) (*Parts, error) {
	table := Table(c, sdk)
	p := &Parts{Environment: c, SDK: sdk, Store: table, Now: clock.Now, Log: log}
	p.Configuration = Pinned(Configuration(c, table.Configuration(), p.Now, log).Get)
	var err error
	if c.Keys != "" {
		if p.Keys, err = Keys(c, sdk, p.Now, log); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Handler returns the handler of a function that answers HTTP requests. read is
// the function's part of package environment, and routes its wiring.
func Handler(read environment.Reader, routes func(*httpapi.Router, *Parts) error) (http.Handler, error) {
	p, err := started(read)
	if err != nil {
		return nil, err
	}
	rt, err := front.Router(p.Environment, p.SDK, p.Now, p.Log)
	if err != nil {
		return nil, err
	}
	return PinEach(rt), routes(rt, p)
}

// Invocation returns the handler of a function with other events, in a form
// that lambda.Start accepts.
func Invocation(read environment.Reader, handler func(*Parts) (any, error)) (any, error) {
	p, err := started(read)
	if err != nil {
		return nil, err
	}
	return handler(p)
}

func started(read environment.Reader) (*Parts, error) {
	c, log, err := environment.Start(read)
	if err != nil {
		return nil, err
	}
	return New(c, awssdk.Config(c.Region), log)
}

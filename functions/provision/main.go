// Command provision is the private Lambda function that makes the app clients of
// brokered mode. It is invoked by the functions that face the internet with the
// key of an app client's record and nothing else. environment.AppClients says what
// its environment holds. At Cognito it may create app clients and give them a
// branding style, and no more.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/dcr-broker/dcr-broker/internal/adapter/awssdk"
	"github.com/dcr-broker/dcr-broker/internal/adapter/lambdahttp"
	"github.com/dcr-broker/dcr-broker/internal/adapter/signed"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/internal/wire/registrar"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

func main() {
	p, err := provisioner()
	if err != nil {
		lambdahttp.Fail(err)
	}
	lambda.Start(signed.Handler(p))
}

func provisioner() (broker.Provisioner, error) {
	c, err := environment.AppClients(os.Getenv)
	if err != nil {
		return nil, err
	}
	if c.Mode != broker.ModeBrokered {
		return nil, errors.New("AUTHORIZATION: the provision function is for brokered only")
	}
	log := c.Logger(os.Stderr)
	slog.SetDefault(log)
	log.Info("started", "version", environment.Version())
	sdk := awssdk.Config(c.Region)
	p, err := registrar.Provisioning(c, sdk, wire.Store(c, sdk), log)
	if err != nil {
		return nil, err
	}
	return observed{p, log}, nil
}

// observed logs a line for each invocation.
type observed struct {
	broker.Provisioner
	log *slog.Logger
}

func (o observed) Provision(ctx context.Context, key string) error {
	ctx, end := lambdahttp.BeginInvocation(ctx, o.log, "provisioned")
	err := o.Provisioner.Provision(ctx, key)
	end(err, slog.String("key", fmt.Sprintf("%.200s", key)))
	return err
}

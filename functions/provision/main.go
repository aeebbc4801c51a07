// Command provision is the private Lambda function that creates the app clients
// of brokered mode. The functions authorize and token invoke it with only the
// key of an app client's record. It is not part of direct mode.
// environment.AppClients reads its environment. At Cognito its role can create app
// clients and their branding styles, and nothing else.
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
	p, err := registrar.Provisioner(c, sdk, wire.Store(c, sdk), log)
	if err != nil {
		return nil, err
	}
	return logged{p, log}, nil
}

// logged is a Provisioner that logs a line for each call.
type logged struct {
	broker.Provisioner
	log *slog.Logger
}

func (l logged) Provision(ctx context.Context, key string) error {
	ctx, end := lambdahttp.BeginInvocation(ctx, l.log, "provisioned")
	err := l.Provisioner.Provision(ctx, key)
	end(err, slog.String("key", fmt.Sprintf("%.200s", key)))
	return err
}

// Command janitor is the Lambda function that a schedule runs every hour, in both
// modes. It finishes or undoes changes that were interrupted, and removes clients
// whose lifetime has ended; see usecase.Service.Sweep. environment.AppClients reads its
// environment.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/dcr-broker/dcr-broker/internal/adapter/awssdk"
	"github.com/dcr-broker/dcr-broker/internal/adapter/lambdahttp"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/internal/wire/operate"
	"github.com/dcr-broker/dcr-broker/pkg/broker/usecase"
)

func main() {
	run, err := janitor()
	if err != nil {
		lambdahttp.Fail(err)
	}
	lambda.Start(run)
}

// janitor returns the handler of the schedule's events. It ignores their content.
func janitor() (func(context.Context) (usecase.Swept, error), error) {
	c, err := environment.AppClients(os.Getenv)
	if err != nil {
		return nil, err
	}
	log := c.Logger(os.Stderr)
	slog.SetDefault(log)
	log.Info("started", "version", environment.Version())
	sdk := awssdk.Config(c.Region)
	service, err := operate.Service(c, sdk, wire.Store(c, sdk), nil, nil, log)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (usecase.Swept, error) {
		ctx, end := lambdahttp.BeginInvocation(ctx, log, "swept")
		done, err := service.Sweep(ctx, usecase.SweepOptions{})
		end(err, slog.Any("done", done))
		return done, err
	}, nil
}

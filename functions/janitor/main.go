// Command janitor is the Lambda function that a schedule runs every hour, in both
// modes. It finishes or undoes changes that were interrupted, and removes clients
// whose lifetime has ended; see broker.Service.Sweep. config.AppClients reads its
// environment.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/dcr-broker/dcr-broker/internal/config"
	"github.com/dcr-broker/dcr-broker/internal/lambdahttp"
	"github.com/dcr-broker/dcr-broker/internal/version"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/internal/wire/operate"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

func main() {
	run, err := janitor()
	if err != nil {
		lambdahttp.Fail(err)
	}
	lambda.Start(run)
}

// janitor returns the handler of the schedule's events. It ignores their content.
func janitor() (func(context.Context) (broker.Swept, error), error) {
	c, err := config.AppClients(os.Getenv)
	if err != nil {
		return nil, err
	}
	log := c.Logger(os.Stderr)
	slog.SetDefault(log)
	log.Info("started", "version", version.String())
	sdk := wire.SDK(c)
	service, err := operate.Service(c, sdk, wire.Store(c, sdk), nil, nil, log)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (broker.Swept, error) {
		ctx, end := wire.Begin(ctx, log, "swept")
		done, err := service.Sweep(ctx, broker.SweepOptions{})
		end(err, slog.Any("done", done))
		return done, err
	}, nil
}

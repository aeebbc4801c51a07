// Command janitor is the Lambda function that a schedule runs every hour, in both
// modes. It finishes or undoes changes that were interrupted, and removes clients
// whose lifetime has ended; see janitor.Janitor.Sweep. environment.AppClients reads its
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
	"github.com/dcr-broker/dcr-broker/pkg/broker/janitor"
)

func main() {
	run, err := handler()
	if err != nil {
		lambdahttp.Fail(err)
	}
	lambda.Start(run)
}

// handler returns the handler of the schedule's events. It ignores their content.
func handler() (func(context.Context) (janitor.Report, error), error) {
	c, err := environment.AppClients(os.Getenv)
	if err != nil {
		return nil, err
	}
	log := c.Logger(os.Stderr)
	slog.SetDefault(log)
	log.Info("started", "version", environment.Version())
	sdk := awssdk.Config(c.Region)
	u, err := operate.New(c, sdk, wire.Store(c, sdk), nil, log)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (janitor.Report, error) {
		ctx, end := lambdahttp.BeginInvocation(ctx, log, "swept")
		done, err := u.Janitor.Sweep(ctx, janitor.Options{})
		end(err, slog.Any("done", done))
		return done, err
	}, nil
}

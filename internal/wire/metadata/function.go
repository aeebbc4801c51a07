package metadata

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/dcr-broker/dcr-broker/internal/adapter/awssdk"
	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
	"github.com/dcr-broker/dcr-broker/internal/adapter/signed"
	"github.com/dcr-broker/dcr-broker/internal/adapter/wellknown"
	"github.com/dcr-broker/dcr-broker/internal/endpoint/metadata"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/wire/front"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/clock"
)

// initTime is how long a start waits for Cognito's document. It waits as long for
// the configuration (configuration.Current).
const initTime = 2 * time.Second

// Function returns the handler of the metadata function. It reads the
// configuration and Cognito's document at the start, in parallel: Lambda gives
// the process more of a CPU then than in a request. A failure is logged and does
// not fail the start; a later request reads again.
func Function(c *environment.Environment, log *slog.Logger) (http.Handler, error) {
	rt, err := front.Router(c, awssdk.Config(c.Region), clock.Now, log)
	if err != nil {
		return nil, err
	}
	upstream, err := wellknown.New(wellknown.Config{URL: c.CognitoDiscovery, Issuer: c.CognitoIssuer, Now: clock.Now, Log: log})
	if err != nil {
		return nil, err
	}
	current := configuration.NewCurrent(configuration.CurrentConfig{Reader: reader(c), Deployment: c.Deployment(), Now: clock.Now, Log: log})
	readBoth(current.Get, upstream)
	return rt, routes(rt, c, current.Get, upstream, log)
}

// readBoth reads the configuration and Cognito's document in parallel. It waits for
// initTime at most.
func readBoth(conf Get, upstream metadata.Upstream) {
	ctx, cancel := context.WithTimeout(context.Background(), initTime)
	defer cancel()
	var reads sync.WaitGroup
	// With the deadline of ctx, a store that does not answer would not be logged: a
	// caller that gives up says nothing about the store.
	reads.Go(func() { conf(context.Background()) })
	reads.Go(func() { upstream.Current(ctx) })
	reads.Wait()
}

// reader returns the reader of the file that c names, or of the table.
func reader(c *environment.Environment) configuration.Reader {
	if c.ConfigurationFile != "" {
		return configuration.File(c.ConfigurationFile)
	}
	sdk := awssdk.Config(c.Region)
	if c.DynamoDBEndpoint != "" {
		sdk.BaseEndpoint = aws.String(c.DynamoDBEndpoint)
	}
	return records.NewConfigurationReader(signed.NewItems(sdk, c.Table))
}

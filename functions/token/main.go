// Command token is the Lambda function behind /token, /revoke and /introspect.
// In brokered mode it redeems the broker's codes and refresh tokens for access
// tokens of Cognito, revokes grants and introspects access tokens. In direct
// mode it relays the requests of registered clients for tokens and revocations
// to the user pool's endpoints, and does not serve /introspect. environment.Token
// reads its environment.
package main

import (
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/awssdk"
	"github.com/dcr-broker/dcr-broker/internal/adapter/lambdahttp"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/internal/wire/brokered"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
)

func main() {
	h, err := handler()
	if err != nil {
		lambdahttp.Fail(err)
	}
	lambdahttp.Start(h)
}

func handler() (http.Handler, error) {
	c, err := environment.Token(os.Getenv)
	if err != nil {
		return nil, err
	}
	log := c.Logger(os.Stderr)
	slog.SetDefault(log)
	log.Info("started", "version", environment.Version())

	rt := httpapi.NewRouter(log)
	sdk := awssdk.Config(c.Region)
	if c.Mode == broker.ModeDirect {
		wire.TokenRoutes(rt, c, clients.NewDirect(wire.Store(c, sdk), time.Now))
		return rt, nil
	}
	parts, err := brokered.New(c, sdk, log)
	if err != nil {
		return nil, err
	}
	if err := parts.TokenRoutes(rt); err != nil {
		return nil, err
	}
	return rt, nil
}

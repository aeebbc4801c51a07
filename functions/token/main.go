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

	"github.com/dcr-broker/dcr-broker/internal/adapter/awssdk"
	"github.com/dcr-broker/dcr-broker/internal/adapter/lambdahttp"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/internal/wire/documents"
	"github.com/dcr-broker/dcr-broker/internal/wire/token"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
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
	parts := token.Parts{Config: c, Store: wire.Store(c, sdk), Log: log}
	if c.Mode == broker.ModeBrokered {
		keys, err := documents.NewKeys(c, sdk, log)
		if err != nil {
			return nil, err
		}
		parts.Keys, parts.Provisioner = keys.Ring, wire.Provisioner(c, sdk)
	}
	return rt, parts.Routes(rt)
}

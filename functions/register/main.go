// Command register is the Lambda function behind /register and
// /register/{client_id}: dynamic client registration (RFC 7591) and its
// management (RFC 7592), in both modes. In direct mode it creates, updates and
// deletes app clients at Cognito; in brokered mode its role has no permission for
// Cognito's API. environment.Registration reads its environment.
package main

import (
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/awssdk"
	"github.com/dcr-broker/dcr-broker/internal/adapter/issuers"
	"github.com/dcr-broker/dcr-broker/internal/adapter/lambdahttp"
	"github.com/dcr-broker/dcr-broker/internal/endpoint/register"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/internal/wire/registrar"
)

func main() {
	h, err := handler()
	if err != nil {
		lambdahttp.Fail(err)
	}
	lambdahttp.Start(h)
}

func handler() (http.Handler, error) {
	c, err := environment.Registration(os.Getenv)
	if err != nil {
		return nil, err
	}
	log := c.Logger(os.Stderr)
	slog.SetDefault(log)
	log.Info("started", "version", environment.Version())

	sdk := awssdk.Config(c.Region)
	clients, err := registrar.Registrar(c, sdk, wire.Store(c, sdk), issuers.New(nil, time.Now), log)
	if err != nil {
		return nil, err
	}
	rt := httpapi.NewRouter(log)
	register.Mount(rt, clients)
	return rt, nil
}

// Command authorize is the Lambda function behind the authorization endpoint of
// brokered mode and its pages: /authorize, /callback, /consent, /signed-out and
// /assets. It is not part of direct mode. environment.Authorize reads its environment.
// Its role has no permission for Cognito's API.
package main

import (
	"log/slog"
	"net/http"
	"os"

	"github.com/dcr-broker/dcr-broker/internal/adapter/awssdk"
	"github.com/dcr-broker/dcr-broker/internal/adapter/lambdahttp"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/internal/wire/brokered"
)

func main() {
	h, err := handler()
	if err != nil {
		lambdahttp.Fail(err)
	}
	lambdahttp.Start(h)
}

func handler() (http.Handler, error) {
	c, err := environment.Authorize(os.Getenv)
	if err != nil {
		return nil, err
	}
	log := c.Logger(os.Stderr)
	slog.SetDefault(log)
	log.Info("started", "version", environment.Version())

	parts, err := brokered.New(c, awssdk.Config(c.Region), log)
	if err != nil {
		return nil, err
	}
	rt := httpapi.NewRouter(log)
	if err := parts.AuthorizeRoutes(rt); err != nil {
		return nil, err
	}
	return rt, nil
}

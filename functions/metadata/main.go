// Command metadata is the Lambda function behind the well-known documents (RFC
// 8414, RFC 9728), in both modes. It is also behind $default, the route of
// every path that no other function serves. environment.Metadata reads its
// environment. It links no AWS SDK.
package main

import (
	"log/slog"
	"net/http"
	"os"

	"github.com/dcr-broker/dcr-broker/internal/adapter/lambdahttp"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/internal/wire/metadata"
)

func main() {
	h, err := handler()
	if err != nil {
		lambdahttp.Fail(err)
	}
	lambdahttp.Start(h)
}

func handler() (http.Handler, error) {
	c, err := environment.Metadata(os.Getenv)
	if err != nil {
		return nil, err
	}
	log := c.Logger(os.Stderr)
	slog.SetDefault(log)
	log.Info("started", "version", environment.Version())

	rt := httpapi.NewRouter(log)
	if err := metadata.Routes(rt, c, log); err != nil {
		return nil, err
	}
	return rt, nil
}

// Command metadata is the Lambda function behind the well-known documents (RFC
// 8414, RFC 9728), in both modes. It is also behind $default, the route of
// every path that no other function serves. environment.Metadata reads its
// environment. It links no AWS SDK.
package main

import (
	"net/http"

	"github.com/dcr-broker/dcr-broker/internal/adapter/lambdahttp"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/wire/metadata"
)

func main() {
	lambdahttp.Serve(handler())
}

func handler() (http.Handler, error) {
	c, log, err := environment.Start(environment.Metadata)
	if err != nil {
		return nil, err
	}
	return metadata.Function(c, log)
}

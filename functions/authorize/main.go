// Command authorize is the Lambda function behind the authorization endpoint of
// brokered mode and its pages: /authorize, /callback, /consent, /signed-out and
// /assets. It is not part of direct mode. environment.Authorize reads its
// environment. Its role has no permission for Cognito's API.
package main

import (
	"github.com/dcr-broker/dcr-broker/internal/adapter/lambdahttp"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/internal/wire/authorize"
)

func main() {
	lambdahttp.Serve(wire.Handler(environment.Authorize, authorize.Routes))
}

// Command register is the Lambda function behind /register and
// /register/{client_id}: dynamic client registration (RFC 7591) and its
// management (RFC 7592), in both modes. In direct mode it creates, updates and
// deletes app clients at Cognito; in brokered mode its role has no permission for
// Cognito's API. environment.Registration reads its environment.
package main

import (
	"github.com/dcr-broker/dcr-broker/internal/adapter/lambdahttp"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/internal/wire/register"
)

func main() {
	lambdahttp.Serve(wire.Handler(environment.Registration, register.Routes))
}

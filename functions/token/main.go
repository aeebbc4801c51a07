// Command token is the Lambda function behind /token, /revoke and /introspect.
// In brokered mode it redeems the broker's codes and refresh tokens for access
// tokens of Cognito, revokes grants and introspects access tokens. In direct
// mode it relays the requests of registered clients for tokens and revocations
// to the user pool's endpoints, and does not serve /introspect. environment.Token
// reads its environment.
package main

import (
	"github.com/dcr-broker/dcr-broker/internal/adapter/lambdahttp"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/internal/wire/token"
)

func main() {
	lambdahttp.Serve(wire.Handler(environment.Token, token.Routes))
}

// Command provision is the private Lambda function that creates the app clients
// of brokered mode. The functions authorize and token invoke it with only the
// key of an app client's record. It is not part of direct mode. At Cognito its
// role can create app clients and their branding styles, and nothing else.
// environment.Provision reads its environment.
package main

import (
	"github.com/dcr-broker/dcr-broker/internal/adapter/lambdahttp"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/internal/wire/provision"
)

func main() {
	lambdahttp.Invoke(wire.Invocation(environment.Provision, provision.Handler))
}

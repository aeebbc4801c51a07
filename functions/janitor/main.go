// Command janitor is the Lambda function that a schedule runs every hour, in both
// modes. It finishes or undoes changes that were interrupted, and removes clients
// whose lifetime has ended; see janitor.Janitor.Sweep. environment.AppClients
// reads its environment.
package main

import (
	"github.com/dcr-broker/dcr-broker/internal/adapter/lambdahttp"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/internal/wire/janitor"
)

func main() {
	lambdahttp.Invoke(wire.Invocation(environment.AppClients, janitor.Handler))
}

package wire

import (
	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/dcr-broker/dcr-broker/internal/adapter/signed"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// provisioner returns the private function that c names, which makes app
// clients.
func provisioner(c *environment.Config, sdk aws.Config) broker.Provisioner {
	if c.LambdaEndpoint != "" {
		sdk.BaseEndpoint = aws.String(c.LambdaEndpoint)
	}
	return signed.NewFunction(sdk, c.ProvisionFunction)
}

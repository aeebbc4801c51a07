package wire

import (
	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/dcr-broker/dcr-broker/internal/adapter/signed"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// Provisioner returns the Provisioner of p, or else the private function that
// the configuration names. Only functions that have no permission to create app
// clients call it, so that no other function links it.
func Provisioner(p *Parts) broker.Provisioner {
	if p.Provisioner != nil {
		return p.Provisioner
	}
	sdk := p.SDK
	if endpoint := p.Environment.LambdaEndpoint; endpoint != "" {
		sdk.BaseEndpoint = aws.String(endpoint)
	}
	return signed.NewFunction(sdk, p.Environment.ProvisionFunction)
}

// Package wire puts the parts together: configuration in, use cases and clients
// of AWS out. It and what is below it are the only places that know both a port
// and its adapter.
package wire

import (
	"context"
	"errors"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/dcr-broker/dcr-broker/internal/config"
)

// SDK returns the configuration of AWS clients in a Lambda function of c's
// region.
//
// It is not what config.LoadDefaultConfig returns: that looks for files and
// roles that a function does not have, and links the clients of STS and SSO.
// Lambda hands a function on an OS-only runtime its role's credentials in the
// environment, where they stay the same until the process ends.
func SDK(c *config.Config) aws.Config {
	return aws.Config{
		Region:      c.Region,
		Credentials: aws.CredentialsProviderFunc(environmentCredentials),
	}
}

func environmentCredentials(context.Context) (aws.Credentials, error) {
	cred := aws.Credentials{
		AccessKeyID:     os.Getenv("AWS_ACCESS_KEY_ID"),
		SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY"),
		SessionToken:    os.Getenv("AWS_SESSION_TOKEN"),
		Source:          "environment",
	}
	if cred.AccessKeyID == "" || cred.SecretAccessKey == "" {
		return aws.Credentials{}, errors.New("wire: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set")
	}
	return cred, nil
}

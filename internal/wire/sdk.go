// Package wire puts the parts together: configuration in, use cases and clients
// of AWS out. It and what is below it are the only places that know both a port
// and its adapter.
package wire

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go/middleware"

	"github.com/dcr-broker/dcr-broker/internal/config"
	"github.com/dcr-broker/dcr-broker/internal/xray"
)

// SDK returns the configuration of AWS clients in a Lambda function of c's
// region.
//
// It is not what config.LoadDefaultConfig returns: that looks for files and
// roles that a function does not have, and links the clients of STS and SSO.
// Lambda hands a function on an OS-only runtime its role's credentials in the
// environment, where they stay the same until the process ends.
//
// What the clients call is measured, and traced if c says so.
func SDK(c *config.Config) aws.Config {
	sdk := aws.Config{
		Region:      c.Region,
		Credentials: aws.CredentialsProviderFunc(environmentCredentials),
		APIOptions:  []func(*middleware.Stack) error{measure},
	}
	if c.XRayDaemon == "" {
		return sdk
	}
	tracer, err := xray.New(c.XRayDaemon)
	if err != nil {
		slog.Error("calls are not traced", "error", err) // no reason not to answer requests
		return sdk
	}
	sdk.APIOptions = append(sdk.APIOptions, tracer.Add)
	return sdk
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

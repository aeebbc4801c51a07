// Package awssdk is an adapter: it makes the configuration with which a Lambda
// function calls AWS, and records each call in the activity of the request.
//
// It leaves out the other work of config.LoadDefaultConfig: looking for files
// and roles that a function does not have, which links the clients of STS and
// SSO.
package awssdk

import (
	"context"
	"errors"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go/middleware"
)

// Config returns the configuration of AWS clients in a Lambda function of this
// region. Every attempt of a call is recorded (telemetry.Called).
//
// Lambda passes the credentials of its role to a function on an OS-only runtime
// in the environment. They stay the same until the process ends.
func Config(region string) aws.Config {
	return aws.Config{
		Region:      region,
		Credentials: aws.CredentialsProviderFunc(environmentCredentials),
		APIOptions:  []func(*middleware.Stack) error{measure},
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
		return aws.Credentials{}, errors.New("awssdk: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set")
	}
	return cred, nil
}

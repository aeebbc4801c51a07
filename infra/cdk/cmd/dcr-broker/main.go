// Dcr-broker is an app of the AWS CDK with a single stack that has the broker.
// Run it with the CDK's command line in infra/cdk, with context in place of the
// parameters of template.yaml:
//
//	cdk deploy -c userPoolId=us-east-1_AbCdEfGhI -c cognitoDomain=https://… -c loginVersion=2
//
// The type settings has the keys.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	dcrbroker "github.com/dcr-broker/dcr-broker/infra/cdk"
)

func main() {
	err := synth()
	jsii.Close()
	if err != nil {
		fmt.Fprintln(os.Stderr, "dcr-broker:", err)
		os.Exit(1)
	}
}

// synth writes the cloud assembly. It converts a panic of the CDK to an error.
func synth() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = failure(r)
		}
	}()
	app := awscdk.NewApp(nil)
	given, _ := app.Node().GetAllContext(nil).(map[string]any)
	s, err := readSettings(given)
	if err != nil {
		return err
	}
	env := &awscdk.Environment{}
	if s.Account != "" {
		env.Account = &s.Account
	}
	if s.Region != "" {
		env.Region = &s.Region
	}
	stack := awscdk.NewStack(app, &s.Stack, &awscdk.StackProps{
		Env: env, Description: jsii.String("dcr-broker, dynamic client registration and consent in front of an Amazon Cognito user pool."),
	})
	props, err := s.props(stack)
	if err != nil {
		return err
	}
	dcrbroker.New(stack, "Broker", props).AddOutputs()
	app.Synth(nil)
	return nil
}

// failure returns the error for a panic of the CDK, without its stack trace.
func failure(r any) error {
	text := fmt.Sprint(r)
	if _, faults, ok := strings.Cut(text, "Validation failed with the following errors:\n"); ok {
		return errors.New("the settings have faults:\n" + faults)
	}
	return errors.New(text)
}

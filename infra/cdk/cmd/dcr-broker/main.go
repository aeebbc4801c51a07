// Dcr-broker is an app of the AWS CDK with one stack, for those who have none to
// add the broker to. Run it by the CDK's command line in infra/cdk, with context
// in place of the parameters of template.yaml:
//
//	cdk deploy -c userPoolId=us-east-1_AbCdEfGhI -c cognitoDomain=https://… -c scopes='mcp/read mcp/write'
//
// Settings lists the keys.
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

// synth writes the cloud assembly. The CDK panics with what is wrong.
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

// failure leaves out how the CDK came to it.
func failure(r any) error {
	text := fmt.Sprint(r)
	if _, faults, ok := strings.Cut(text, "Validation failed with the following errors:\n"); ok {
		return errors.New("the stack cannot be made:\n" + faults)
	}
	return errors.New(text)
}

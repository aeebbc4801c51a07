// Package dcrbroker is a construct of the AWS CDK that adds dcr-broker, dynamic
// client registration and consent in front of an Amazon Cognito user pool, to a
// stack:
//
//	broker := dcrbroker.New(stack, "Broker", &dcrbroker.Props{
//		UserPool:      pool,
//		CognitoDomain: "https://example.auth.us-east-1.amazoncognito.com",
//		LoginVersion:  2,
//	})
//
// It creates the same resources as the repository's template.yaml; a test
// compares the two. cmd/dcr-broker is an app for deployments that have no stack
// of their own.
//
// It leaves out the broker's configuration: scopes, MCP servers, and who may
// register what. dcrctl stores that in the table after the deployment. Until then
// the functions answer 503.
//
// The package has more than 1,500 lines so that its users import one package
// only.
package dcrbroker

// Package dcrbroker is a construct of the AWS CDK that adds dcr-broker, dynamic
// client registration and consent in front of an Amazon Cognito user pool, to a
// stack:
//
//	broker := dcrbroker.New(stack, "Broker", &dcrbroker.Props{
//		UserPool:      pool,
//		CognitoDomain: "https://example.auth.us-east-1.amazoncognito.com",
//		LoginVersion:  2,
//		Scopes:        []dcrbroker.Scope{{Name: "mcp/read", Description: "Read your notes"}},
//	})
//
// It creates the same resources as the repository's template.yaml; a test
// compares the two. cmd/dcr-broker is an app for deployments that have no stack
// of their own.
//
// It leaves out checks of values that are known only at deployment: a policy
// document in a parameter or bucket, and whether an existing user pool has the
// scopes.
//
// The package has more than 1,500 lines so that its users import one package
// only.
package dcrbroker

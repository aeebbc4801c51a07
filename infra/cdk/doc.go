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
// It makes the same system as the repository's template.yaml; a test compares
// the two. cmd/dcr-broker is an app for those who have no stack to add it to.
//
// It does not validate what is known at deployment only: a policy document in a
// parameter or bucket, and whether the scopes are in a pool that exists.
//
// It has more than 1,500 lines, since whoever adds a broker imports one package.
package dcrbroker

// Package cognito keeps the app clients of a deployment in an Amazon Cognito
// user pool, through the AWS SDK. It implements broker.AppClients.
//
// The mapping from client metadata to an app client is pure: mapping.go and
// name.go say what an app client of ours looks like and how it is known again.
// errors.go decides for each error of the API what it means to the broker, and
// admission.go keeps all processes together below Cognito's rate.
//
// It leaves out everything about the pool itself: domains, resource servers,
// identity providers and branding are the operator's. It also leaves out
// DcrConfiguration and ClientType, which its version of the SDK does not know.
package cognito

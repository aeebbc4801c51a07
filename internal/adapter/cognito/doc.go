// Package cognito is an adapter: the app clients of a deployment in an Amazon
// Cognito user pool, through the AWS SDK. It implements the ports named Pool of
// the packages direct, provision and janitor.
//
// The mapping from client metadata to an app client is pure: mapping.go has the
// settings of the broker's app clients, and name.go the names by which they are
// found. errors.go classifies each error of the API; answerFor of package httpapi
// chooses the status with which the broker answers it. admission.go keeps all
// processes together below Cognito's rate.
//
// resourceservers.go, which only dcrctl uses, adds scopes to the pool's resource
// servers.
//
// It leaves out the pool itself: the operator manages domains, identity
// providers and branding. It also leaves out DcrConfiguration and ClientType,
// which its version of the SDK does not have.
package cognito

// Package brokered is a mode: the broker is the authorization server that
// clients see, and it issues the client ids. A registration is only a record.
// The app clients at Cognito belong to the broker, which creates one when a
// sign-in or a client_credentials request first needs it.
//
// The mode plugs into the use cases: [Lifecycle] into registration, [Switch] into
// operator, [Reconciler] into janitor. The authorization and token endpoints of
// this mode are use cases of their own.
package brokered

// Package brokered is a mode: the broker is the authorization server that clients
// see, under client ids of its own. A registration is a record and nothing else.
// The app clients at Cognito are the broker's, made when a user first needs one.
//
// The mode plugs into the use cases: [Lifecycle] into registration, [Switch] into
// operator, [Reconciler] into janitor. The authorization and token endpoints of
// this mode are use cases of their own.
package brokered

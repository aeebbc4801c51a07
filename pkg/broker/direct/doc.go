// Package direct is a mode: clients use Cognito's own authorization server,
// each with its own app client at Cognito. The record of the app client is
// stored first, then the app client is created, and the registration is stored
// last.
//
// The mode plugs into the use cases: [Lifecycle] into registration, [Switch]
// into operator, [Reconciler] into janitor. [Adopter] registers app clients
// that operators created. The token issuer of this mode is package relay.
// Where else the modes differ: policy/mode.go has what a policy may say in each,
// internal/environment which variables each reads, and internal/wire which
// endpoints exist.
package direct

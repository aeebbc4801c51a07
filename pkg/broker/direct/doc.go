// Package direct is a mode: clients use Cognito's own authorization server, each
// under the id of an app client of its own at Cognito. The app client is recorded
// first, then made, and the registration is written last.
//
// The mode plugs into the use cases: [Lifecycle] into registration, [Switch] into
// operator, [Reconciler] into janitor. [Adopter] registers app clients that were
// made by hand.
package direct

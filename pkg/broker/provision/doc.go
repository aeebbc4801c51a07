// Package provision is a use case: the app clients that the broker itself uses,
// in brokered mode. A [Provisioner] makes one when it is needed first, and has
// no other right at Cognito. A [Maintainer] gives app clients more scopes, finishes
// what was interrupted and removes what nothing needs; the janitor and operators
// have it.
//
// The app clients of direct mode belong to their clients: see package direct.
package provision

// Package provision is a use case: the app clients that the broker itself uses,
// in brokered mode. A [Provisioner] creates one at its first use, and has no
// other permission at Cognito. A [Maintainer] adds scopes to app clients,
// finishes interrupted work and removes app clients that are no longer needed;
// the janitor and operators use it.
//
// The app clients of direct mode belong to their clients: see package direct.
package provision

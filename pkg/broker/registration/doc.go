// Package registration is a use case: clients register and manage their
// registrations (RFC 7591, RFC 7592). A [Registrar] authenticates the request,
// verifies what vouches for it and its software statement, applies the policy,
// and computes the budgets that it needs. What follows is decided by the mode: a
// [Lifecycle] makes, updates and deletes the registration. The Registrar answers
// with the client information.
//
// The package leaves out HTTP, and what operators do with registrations.
package registration

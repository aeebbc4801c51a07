// Package registration is a use case: clients register and manage their
// registrations (RFC 7591, RFC 7592). A [Registrar] authenticates the request,
// verifies its voucher and its software statement, applies the policy, and
// computes the budgets that it needs. A mode does the rest: its [Lifecycle]
// creates, updates and deletes the registration. The Registrar returns the
// client information.
//
// The package leaves out HTTP, and the work of operators on registrations.
package registration

// Package operator is a use case: the work of operators on clients, grants and
// the table. An [Operator] approves, enables, disables and deletes clients,
// registers clients ahead, ends grants and accepts a table. Each call can be
// repeated after any outcome of the call before, and does the remaining steps.
//
// The package leaves out reading and listing, for which operators use the
// store. It also leaves out work that belongs to one mode: adopting app clients
// (package direct) and applying a profile to app clients (package provision).
package operator

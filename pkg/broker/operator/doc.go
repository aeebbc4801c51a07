// Package operator is a use case: what operators do with clients, grants and the
// table. An [Operator] approves, enables, disables and deletes clients, registers
// clients ahead, ends grants and accepts a table. Each call can be repeated,
// whatever became of the one before, and does what is left to do.
//
// The package leaves out reading and listing, which operators do with the store,
// and what belongs to one mode alone: adopting app clients (package direct) and
// applying a profile to app clients (package provision).
package operator

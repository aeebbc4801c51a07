// Package fake is a test kit: a clock, an in-memory user pool, a log, keys and
// JWTs, and faults at a chosen call of a port. It leaves out the in-memory
// store itself, which is package memory, because the development server runs on
// it too: Store adds faults through its hook.
package fake

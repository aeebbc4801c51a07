// Package world is a test kit: the whole broker without HTTP, on a store and a
// user pool in memory, with a clock and a policy. A test can make calls of the
// store and the pool fail. Tests that need more than one use case start here.
package world

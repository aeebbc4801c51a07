// Package world is test kit: the whole broker, assembled on a store and a user
// pool in memory that fail when a test says so, with a clock and a policy. Tests
// that drive one use case through another start here. HTTP is left out.
//
// The package is longer than 1,500 lines because both modes, their faults and
// the checks after a fault share one assembly.
package world

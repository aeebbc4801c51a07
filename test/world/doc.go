// Package world is test kit: the whole broker, assembled on a store and a user
// pool in memory that fail when a test says so, with a clock and a policy. Tests
// that drive one use case through another start here. HTTP is left out.
package world

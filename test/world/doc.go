// Package world is test kit: the whole broker, assembled on a store and a user
// pool in memory that fail when a test says so, with a clock, keys and a policy.
// A test can put a local Cognito in place of the pool, and gets the parts of a
// Flow and an Issuer, and clients, app clients and grants that are stored. HTTP
// is left out: the tests of the endpoints have their own browser.
//
// The package is longer than 1,500 lines because both modes, their faults and
// the checks after a fault share one assembly.
package world

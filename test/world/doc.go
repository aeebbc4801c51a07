// Package world is a test kit: the whole broker without HTTP, on a store and a
// user pool in memory, with a clock, keys and a policy. A test can make calls
// of the store and the pool fail, and can use a local Cognito in place of the
// pool. It gets the parts of a Flow and an Issuer, and stored clients, app
// clients and grants. The tests of the endpoints have their own browser.
//
// The package is longer than 1,500 lines because both modes, their faults and
// the checks after a fault share one assembly.
package world

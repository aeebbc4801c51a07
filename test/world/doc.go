// Package world is test kit: the whole broker, assembled on a store and a user
// pool in memory that fail when a test says so, with a clock, keys and a policy.
// A test can put a local Cognito in place of the pool, and gets the parts of a
// Flow and an Issuer, and clients, app clients and grants that are stored. HTTP is
// left out: the tests of the endpoints have their own browser.
package world

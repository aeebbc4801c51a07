// Package contract is test kit: the suites that every implementation of a port
// of package broker must pass. It is public, so that a program that brings a
// store of its own can run them.
package contract

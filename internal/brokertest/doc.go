// Package brokertest is for tests of and around the ports of package broker:
// the contract suites that every implementation must pass, and wrappers that
// make an implementation fail at a chosen call. The in-memory store is in
// package memory, since the development server runs on it too.
package brokertest

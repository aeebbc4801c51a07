// Package contract is a test kit: the suites that every implementation of
// broker.Store, broker.GrantStore, configuration.Store, direct.Pool and
// janitor.Pool must pass. For a broker.Store there are two: TestStore, and
// TestCounters for one that sends each call once. For a configuration.Store
// there is TestConfigurationFaults too, for one whose requests a test can make
// fail. The package is public, so that a program with a store of its own can run
// them.
//
// It leaves out what differs between implementations, such as retries, paging
// and expiry in the background: their own tests cover it.
//
// The package is longer than 1,500 lines because it is two lists of tests, one
// file for each kind of record.
package contract

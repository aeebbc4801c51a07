// Package simulation is a test kit without code of its own. Its tests run the
// use cases, a store and a local Cognito through months of virtual time, with
// registrations, uses, operators, an hourly sweep and random faults at every
// effect, and check the final state. They leave out HTTP and the functions.
package simulation

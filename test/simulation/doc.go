// Package simulation has no code of its own. Its tests run the use cases, a store
// and a local Cognito through months of virtual time, with registrations, uses,
// operators, an hourly sweep and random faults at every effect, and look at what
// is left.
package simulation

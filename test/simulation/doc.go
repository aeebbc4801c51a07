// Package simulation is a test kit without code of its own. Its tests run the
// use cases, a store and a local Cognito through months of virtual time, with
// registrations, users who sign in, clients that redeem codes and refresh,
// operators, an hourly sweep and random faults at every effect. They check what
// each client is answered, and the stored state during and after it. They leave
// out HTTP and the functions.
package simulation

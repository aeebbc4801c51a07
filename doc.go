// Package dcrbroker is the root of the broker's module and has no code. The
// broker is in pkg and internal, its Lambda functions are in functions, and its
// commands are in cmd.
//
// Its tests check what concerns the whole repository:
//
//   - Code: each package imports only what the architecture allows, functions
//     and use cases do not link packages that they do not need or must not
//     have, such as Cognito's API or the network, the time comes from the clock
//     of wiring, and comments begin with the names of what they document.
//   - Documents: docs/architecture.md names what each function links, the tests
//     that documents name exist, each requirement that docs/conformance.md
//     calls met names a test, links and names in the documents for deployment
//     are right, and the estimate in docs/costs.md follows from its assumptions
//     and agrees with template.yaml.
//   - Releases: the go.mod of the CDK construct requires the latest version of
//     the broker.
package dcrbroker

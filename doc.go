// Package dcrbroker is the root of the broker's module and holds no code; its
// test keeps the architecture. The broker is in pkg and internal, its commands
// in cmd.
package dcrbroker

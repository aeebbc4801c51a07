// Package strict is a value: it decodes a JSON text into Go types and reports
// every fault at once, each with its JSON path and what is allowed. It is for
// documents that people write: unlike encoding/json, it matches names exactly,
// and refuses unknown members, repeated names and null.
//
// [Read] turns the text into a tree, [Decode] a tree into a Go value. A caller
// then checks the value with the same [Faults], and asks [Faults.Within]
// whether a member is missing only because it had a fault.
//
// The package leaves out defaults and required members: a caller sees the zero
// value of an absent member.
package strict

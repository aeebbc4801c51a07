// Package config has the configuration document that ships as an example.
package config

import (
	_ "embed"
	"slices"
)

//go:embed broker.json
var example []byte

// Example returns broker.json: the well-known MCP clients and loopback clients
// register openly, and the profile "trusted" is for initial access tokens.
func Example() []byte { return slices.Clone(example) }

// Package config has the configuration that ships as an example, broker.json. An
// operator copies it and changes it.
package config

import (
	_ "embed"
	"slices"
)

//go:embed broker.json
var example []byte

// Example returns the document of broker.json.
func Example() []byte { return slices.Clone(example) }

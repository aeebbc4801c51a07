// Package permissions is a test kit: it has the AWS operations that each
// function calls, so that a test of a deployment can check that its roles allow
// exactly these. recorded.json has the calls that the tests of package
// functions observe; `scripts/moto.sh run go test ./functions -update` writes
// it. faults.go declares the calls that only follow a fault, with the code that
// makes them. The package leaves out the permissions that people and pipelines
// need to deploy.
package permissions

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// The resources of operations.
const (
	Table       = "table"
	DueIndex    = "table/index/due"
	ClientIndex = "table/index/client"
	Pool        = "pool"
	Keys        = "keys"         // the secret that KEYS names
	Provision   = "provision"    // the function
	Logs        = "logs"         // the function's own log group
	DeadLetters = "dead letters" // the queue of runs of the janitor that failed
	Traces      = "traces"       // not a resource in IAM
)

// Permission is one operation, with its IAM name, on one resource.
type Permission struct{ Action, Resource string }

func (p Permission) String() string { return p.Action + " on " + p.Resource }

// Compare orders permissions by action and resource.
func (p Permission) Compare(other Permission) int { return strings.Compare(p.String(), other.String()) }

// Functions returns the names of the functions in a mode.
func Functions(mode broker.Mode) []string {
	if mode == broker.ModeDirect {
		return []string{"register", "metadata", "token", "janitor"}
	}
	return []string{"register", "metadata", "token", "authorize", "provision", "janitor"}
}

// Configurations is the pattern of the keys of the table's items that have
// configurations. No function writes them.
const Configurations = "config#*"

// KeysOf returns the pattern of the keys of the table's items that a function
// needs, or "" if it needs all items.
func KeysOf(function string) string {
	if function == "metadata" {
		return Configurations
	}
	return ""
}

// Of returns the permissions that a function needs, in order. traced means that
// Lambda's active tracing is on.
func Of(mode broker.Mode, function string, traced bool) []Permission {
	all := slices.Concat(Recorded(mode, function), declared(mode, function), runtime(function, traced))
	slices.SortFunc(all, Permission.Compare)
	return slices.Compact(all)
}

// Recorded returns the calls of a function in the tests, in order.
func Recorded(mode broker.Mode, function string) []Permission { return recorded[mode][function] }

//go:embed recorded.json
var document []byte

var recorded = func() map[broker.Mode]map[string][]Permission {
	p, err := Parse(document)
	if err != nil {
		panic(err)
	}
	return p
}()

// Parse reads a document such as recorded.json, which has permissions as text,
// by mode and function.
func Parse(document []byte) (map[broker.Mode]map[string][]Permission, error) {
	var texts map[broker.Mode]map[string][]string
	if err := json.Unmarshal(document, &texts); err != nil {
		return nil, fmt.Errorf("permissions: %w", err)
	}
	parsed := make(map[broker.Mode]map[string][]Permission)
	for mode, functions := range texts {
		parsed[mode] = make(map[string][]Permission)
		for function, list := range functions {
			for _, s := range list {
				action, resource, ok := strings.Cut(s, " on ")
				if !ok {
					return nil, fmt.Errorf("permissions: %q is not ACTION on RESOURCE", s)
				}
				parsed[mode][function] = append(parsed[mode][function], Permission{action, resource})
			}
		}
	}
	return parsed, nil
}

// Package permissions says which operations of AWS each function calls, so that
// a test of a deployment can compare what its roles allow with it, both ways.
// What the functions are seen to call in the tests of package functions is in
// recorded.json, which `scripts/moto.sh run go test ./functions -update` writes.
// What only a fault leads to is declared in faults.go, with the code that does
// it.
package permissions

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// The modes of a deployment, as AUTHORIZATION names them.
const (
	Brokered = "brokered"
	Direct   = "direct"
)

// What operations are called on.
const (
	Table       = "table"
	DueIndex    = "table/index/due"
	ClientIndex = "table/index/client"
	Pool        = "pool"
	Keys        = "keys"         // the secret that KEYS names
	Parameter   = "parameter"    // of SSM, if POLICY names one
	Object      = "object"       // of S3, if POLICY names one
	Provision   = "provision"    // the function
	Logs        = "logs"         // the function's own log group
	DeadLetters = "dead letters" // the queue of runs of the janitor that failed
	Traces      = "traces"       // which are no resource to IAM
)

// Permission is one operation, under the name that IAM has for it, on one
// resource.
type Permission struct{ Action, Resource string }

func (p Permission) String() string { return p.Action + " on " + p.Resource }

// Compare orders permissions by action and resource.
func (p Permission) Compare(other Permission) int { return strings.Compare(p.String(), other.String()) }

// Functions returns the names of the functions that a mode has.
func Functions(mode string) []string {
	if mode == Direct {
		return []string{"register", "metadata", "token", "janitor"}
	}
	return []string{"register", "metadata", "token", "authorize", "provision", "janitor"}
}

// Of returns what a function has to be allowed, in order. policy is Parameter or
// Object if that is where the policy is, else ""; traced is whether AWS X-Ray is
// told of calls.
func Of(mode, function, policy string, traced bool) []Permission {
	all := slices.Concat(Recorded(mode, function), declared(mode, function), runtime(function, traced))
	all = slices.DeleteFunc(all, func(p Permission) bool {
		return (p.Resource == Parameter || p.Resource == Object) && p.Resource != policy
	})
	slices.SortFunc(all, Permission.Compare)
	return slices.Compact(all)
}

// Recorded returns what a function is seen to call in the tests, in order,
// wherever the policy is.
func Recorded(mode, function string) []Permission { return recorded[mode][function] }

//go:embed recorded.json
var document []byte

var recorded = func() map[string]map[string][]Permission {
	p, err := Parse(document)
	if err != nil {
		panic(err)
	}
	return p
}()

// Parse reads a document such as recorded.json: by mode and function, each
// permission as text.
func Parse(document []byte) (map[string]map[string][]Permission, error) {
	var texts map[string]map[string][]string
	if err := json.Unmarshal(document, &texts); err != nil {
		return nil, fmt.Errorf("permissions: %w", err)
	}
	parsed := make(map[string]map[string][]Permission)
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

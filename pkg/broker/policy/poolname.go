package policy

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dcr-broker/dcr-broker/pkg/strict"
)

// PoolNames returns the names of an array that had no fault when they were
// decoded, and adds a fault for each that cannot be the name of a group or an
// identity provider in Cognito: these have 1 to limit letters, marks, symbols,
// numbers and punctuation.
func PoolNames(path string, list []string, limit int, f *strict.Faults) []string {
	elements := f.Elements(path, list)
	for _, e := range elements {
		if utf8.RuneCountInString(e.Value) > limit || strings.ContainsFunc(e.Value, notInName) {
			f.Add(e.Path, "%s cannot be a name in a user pool, which has at most %d characters and no spaces", strict.Quote(e.Value), limit)
		}
	}
	return values(elements)
}

func notInName(r rune) bool {
	return r == utf8.RuneError || !unicode.In(r, unicode.L, unicode.M, unicode.S, unicode.N, unicode.P)
}

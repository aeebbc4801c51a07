package authorize

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// maxQuery is how long a query may be. API Gateway lets 8 KB through.
const maxQuery = 16 << 10

// query is the parameters of a request, each once; one without a value counts
// as not sent (RFC 6749 §3.1). Only resource may have more than one value.
type query struct {
	values   map[string]string
	resource []string
	// repeated are the names that came more than once, whether or not we know
	// them: two readers could each take another of the values (RFC 6749 §3.1).
	repeated []string
}

// parseQuery reads a query as url.ParseQuery does, but for a semicolon or a
// wrong percent sign, or what is not UTF-8, it returns what is wrong.
func parseQuery(raw string) (query, string) {
	q := query{values: make(map[string]string)}
	if len(raw) > maxQuery {
		return q, "the query is too long"
	}
	seen := make(map[string]bool)
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, nameErr := url.QueryUnescape(rawName)
		value, valueErr := url.QueryUnescape(rawValue)
		switch {
		case strings.Contains(pair, ";"):
			return q, "a semicolon in the query must be written as %3B"
		case nameErr != nil || valueErr != nil:
			return q, "two hexadecimal digits must follow a percent sign in the query"
		case !utf8.ValidString(name) || !utf8.ValidString(value):
			return q, "the query is not UTF-8"
		}
		if name == "resource" {
			if value != "" {
				q.resource = append(q.resource, value)
			}
			continue
		}
		if seen[name] && !slices.Contains(q.repeated, name) {
			q.repeated = append(q.repeated, name)
		}
		seen[name] = true
		if value != "" {
			q.values[name] = value
		}
	}
	return q, ""
}

// value returns the value of a parameter, "" if it was not sent.
func (q query) value(name string) string { return q.values[name] }

func (q query) has(name string) bool { return q.values[name] != "" }

func repeats(name string) string { return "parameter " + dcr.Quote(name) + " must not be repeated" }

// printable reports whether s has VSCHAR only (RFC 6749 appendix A).
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

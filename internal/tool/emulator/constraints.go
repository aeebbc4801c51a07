package emulator

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// The patterns of the service model.
var (
	namePattern     = regexp.MustCompile(`^[\w\s+=,.@-]+$`)
	wordPattern     = regexp.MustCompile(`^[\w+]+$`)
	scopePattern    = regexp.MustCompile(`^[\x21\x23-\x5B\x5D-\x7E]+$`)
	subScopePattern = regexp.MustCompile(`^[\x21\x23-\x2E\x30-\x5B\x5D-\x7E]+$`)
	urlPattern      = regexp.MustCompile(`^[\p{L}\p{M}\p{S}\p{N}\p{P}]+$`)
	providerPattern = regexp.MustCompile(`^[\p{L}\p{M}\p{S}\p{N}\p{P}\p{Z}]+$`)
)

// constraints collects the violated constraints of an input and returns them in
// one error, as the service does.
type constraints struct{ broken []string }

func (cs *constraints) fail(value any, member, constraint string, args ...any) {
	cs.broken = append(cs.broken, fmt.Sprintf("Value '%v' at '%s' failed to satisfy constraint: %s", value, member, fmt.Sprintf(constraint, args...)))
}

func (cs *constraints) err() *apiError {
	switch n := len(cs.broken); n {
	case 0:
		return nil
	case 1:
		return invalidParameter("1 validation error detected: %s", cs.broken[0])
	default:
		return invalidParameter("%d validation errors detected: %s", n, strings.Join(cs.broken, "; "))
	}
}

// required is text for a required member.
func (cs *constraints) required(v *string, member string, shortest, longest int, pattern *regexp.Regexp) string {
	if v == nil {
		cs.fail("null", member, "Member must not be null")
		return ""
	}
	cs.text(*v, member, shortest, longest, pattern)
	return *v
}

// text checks the length in characters and the pattern, if it is not nil.
func (cs *constraints) text(v, member string, shortest, longest int, pattern *regexp.Regexp) {
	n := utf8.RuneCountInString(v)
	if n < shortest {
		cs.fail(v, member, "Member must have length greater than or equal to %d", shortest)
	}
	if n > longest {
		cs.fail(v, member, "Member must have length less than or equal to %d", longest)
	}
	if pattern != nil && !pattern.MatchString(v) {
		cs.fail(v, member, "Member must satisfy regular expression pattern: %s", strings.Trim(pattern.String(), "^$"))
	}
}

// list checks the number of elements, and each element as text. Like the
// service, it reports each kind of fault once, with the whole list as the
// value.
func (cs *constraints) list(v []string, member string, most, shortest, longest int, pattern *regexp.Regexp) {
	if len(v) > most {
		cs.fail(v, member, "Member must have length less than or equal to %d", most)
	}
	var each constraints
	for _, s := range v {
		each.text(s, member, shortest, longest, pattern)
	}
	var seen []string
	for _, b := range each.broken {
		_, what, _ := strings.Cut(b, "constraint: ")
		if !slices.Contains(seen, what) {
			seen = append(seen, what)
			cs.fail(v, member, "Member must satisfy constraint: [%s]", what)
		}
	}
}

func (cs *constraints) integer(v *int64, member string, least, most int64) {
	switch {
	case v == nil:
	case *v < least:
		cs.fail(*v, member, "Member must have value greater than or equal to %d", least)
	case *v > most:
		cs.fail(*v, member, "Member must have value less than or equal to %d", most)
	}
}

func (cs *constraints) enum(v, member string, of ...string) {
	if v != "" && !slices.Contains(of, v) {
		cs.fail(v, member, "Member must satisfy enum value set: [%s]", strings.Join(of, ", "))
	}
}

func (cs *constraints) enums(v []string, member string, of ...string) {
	if slices.ContainsFunc(v, func(s string) bool { return !slices.Contains(of, s) }) {
		cs.fail(v, member, "Member must satisfy constraint: [Member must satisfy enum value set: [%s]]", strings.Join(of, ", "))
	}
}

func (cs *constraints) poolID(v *string) { cs.required(v, "userPoolId", 1, 55, poolIDPattern) }

func (cs *constraints) clientID(v *string) string {
	return cs.required(v, "clientId", 1, 128, wordPattern)
}

// inPool checks the constraints, and then that id is the emulator's pool.
func (c *Cognito) inPool(cs constraints, id *string) *apiError {
	if err := cs.err(); err != nil {
		return err
	}
	if *id != c.cfg.PoolID {
		return notFound("User pool %s does not exist.", *id)
	}
	return nil
}

package walk

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// problems collects the failed checks of a step.
type problems struct{ found []string }

// equal checks that got is want.
func (p *problems) equal(name string, got, want any) {
	p.want(got == want, "%s is %s, want %s", name, quoted(got), quoted(want))
}

func quoted(v any) string {
	if s, ok := v.(string); ok {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprint(v)
}

// contains checks that list has want.
func (p *problems) contains(name string, list []string, want string) {
	p.want(slices.Contains(list, want), "%s is %q, want %q among them", name, list, want)
}

// want checks that ok is true; otherwise it adds the formatted problem.
func (p *problems) want(ok bool, format string, args ...any) {
	if !ok {
		p.found = append(p.found, fmt.Sprintf(format, args...))
	}
}

// err returns all problems; nil if there are none.
func (p *problems) err() error {
	if len(p.found) == 0 {
		return nil
	}
	return errors.New(strings.Join(p.found, "; "))
}

// conclude returns the problems of a step, or reports the facts that it proves.
func (j *journey) conclude(p problems, facts ...string) error {
	if err := p.err(); err != nil {
		return err
	}
	for _, f := range facts {
		j.out.ok(f)
	}
	return nil
}

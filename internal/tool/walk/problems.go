package walk

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// problems collects what does not hold in a step.
type problems struct{ found []string }

// equal wants got to be want.
func (p *problems) equal(name string, got, want any) {
	p.want(got == want, "%s is %s, want %s", name, quoted(got), quoted(want))
}

func quoted(v any) string {
	if s, ok := v.(string); ok {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprint(v)
}

// contains wants one of list to be want.
func (p *problems) contains(name string, list []string, want string) {
	p.want(slices.Contains(list, want), "%s is %q, want %q among them", name, list, want)
}

// want wants ok; otherwise the rest says what is wrong.
func (p *problems) want(ok bool, format string, args ...any) {
	if !ok {
		p.found = append(p.found, fmt.Sprintf(format, args...))
	}
}

// err is nil if everything held.
func (p *problems) err() error {
	if len(p.found) == 0 {
		return nil
	}
	return errors.New(strings.Join(p.found, "; "))
}

// holds reports the facts that a step has shown, unless there are problems.
func (j *journey) holds(p problems, facts ...string) error {
	if err := p.err(); err != nil {
		return err
	}
	for _, f := range facts {
		j.out.ok(f)
	}
	return nil
}

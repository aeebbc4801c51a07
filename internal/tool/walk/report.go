package walk

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/internal/tool/signin"
	"github.com/dcr-broker/dcr-broker/internal/tool/terminal"
)

// report writes numbered steps: after ">" what was sent, after "<" what was
// received, after "ok" what that proves. It is for terminals of 80 to 100
// columns; only a word that cannot be broken, such as a URL, is longer.
//
// Write errors are ignored: they do not concern the walk.
type report struct {
	w       io.Writer
	verbose bool
	colours bool
	steps   int
	title   string
}

const columns = 96

func newReport(w io.Writer, verbose bool) *report {
	return &report{w: w, verbose: verbose, colours: terminal.Coloured(w)}
}

func (r *report) paint(c terminal.Colour, s string) string { return terminal.Paint(r.colours, c, s) }

// step begins a step.
func (r *report) step(title string) {
	r.steps++
	r.title = title
	if r.steps > 1 {
		fmt.Fprintln(r.w)
	}
	fmt.Fprintf(r.w, "%2d. %s\n", r.steps, r.paint(terminal.Bold, title))
}

// at adds the current step to err.
func (r *report) at(err error) error {
	if r.steps == 0 {
		return fmt.Errorf("walk: %w", err)
	}
	return fmt.Errorf("step %d (%s): %w", r.steps, r.title, err)
}

func (r *report) ok(fact string) {
	fmt.Fprintf(r.w, "    %s %s\n", r.paint(terminal.Green, "ok"), fact)
}

// failed marks the last step. The error that Run returns has the reason.
func (r *report) failed() {
	fmt.Fprintf(r.w, "    %s\n", r.paint(terminal.Red, "FAILED"))
}

func (r *report) end() {
	fmt.Fprintf(r.w, "\nAll %d steps passed.\n", r.steps)
}

// line writes a line that begins with an arrow.
func (r *report) line(arrow, text string) {
	fmt.Fprintf(r.w, "    %s %s\n", r.paint(terminal.Faint, arrow), text)
}

// member is a header, a parameter or a member of an object.
type member struct{ name, value string }

// members writes one member a line, with the values in a second column.
func (r *report) members(arrow string, list []member) {
	width := 0
	for _, m := range list {
		width = max(width, len(m.name))
	}
	for _, m := range list {
		name := m.name
		for _, part := range terminal.Wrap(m.value, columns-len("    >   ")-width-2) {
			r.line(arrow, strings.TrimRight(fmt.Sprintf("  %-*s  %s", width, name, part), " "))
			name = ""
		}
	}
}

// request writes the request line and the members.
func (r *report) request(x *exchange, with ...member) {
	r.line(">", x.req.Method+" "+x.req.URL.String())
	if r.verbose {
		r.headers(">", x.req.Header)
	}
	r.members(">", with)
}

// sentHeader writes a header of the request, if it is present.
func (r *report) sentHeader(x *exchange, name string) {
	if v := x.req.Header.Get(name); v != "" && !r.verbose {
		r.members(">", []member{{name, redact(name, v)}})
	}
}

// answer writes the status of the answer.
func (r *report) answer(x *exchange) {
	r.line("<", x.res.Status)
	if r.verbose {
		r.headers("<", x.res.Header)
	}
}

func (r *report) headers(arrow string, h http.Header) {
	var list []member
	for name, values := range h {
		for _, v := range values {
			list = append(list, member{name, redact(name, v)})
		}
	}
	slices.SortFunc(list, func(a, b member) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.value, b.value))
	})
	r.members(arrow, list)
}

// received writes members of the answer.
func (r *report) received(list ...member) { r.members("<", list) }

// page writes the status of an answer to the browser, and the target of a
// redirect.
func (r *report) page(res *http.Response) {
	status := res.Status
	if to, err := res.Location(); err == nil {
		status += " to " + signin.WithoutQuery(to)
	}
	r.line("<", status)
}

// challenge writes a Bearer challenge with the named parameters.
func (r *report) challenge(params map[string]string, names ...string) {
	list := []member{{"WWW-Authenticate", "Bearer"}}
	for _, name := range names {
		if v, ok := params[name]; ok {
			list = append(list, member{"  " + name, v})
		}
	}
	r.members("<", list)
}

// query writes the parameters of a query or form that was sent.
func (r *report) query(q url.Values, names ...string) {
	var list []member
	for _, name := range r.order(q, names) {
		for _, v := range q[name] {
			list = append(list, member{name, redact(name, v)})
		}
	}
	r.members(">", list)
}

// sentObject writes a JSON object that was sent.
func (r *report) sentObject(body []byte) { r.members(">", r.membersOf(body, nil, true)) }

// object writes the named members of a JSON object that was received, or all
// members if the report is verbose.
func (r *report) object(body []byte, names ...string) {
	r.members("<", r.membersOf(body, names, r.verbose))
}

func (r *report) membersOf(body []byte, names []string, all bool) []member {
	var object map[string]any
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if dec.Decode(&object) != nil {
		return []member{{"body", string(body)}}
	}
	if all {
		names = others(object, names)
	}
	var list []member
	for _, name := range names {
		if v, ok := object[name]; ok {
			list = append(list, member{name, redact(name, text(v))})
		}
	}
	return list
}

// order returns names, and the other names of q if the report is verbose.
func (r *report) order(q url.Values, names []string) []string {
	if !r.verbose {
		return names
	}
	return others(q, names)
}

// others returns first, and then the other keys of m, sorted.
func others[V any](m map[string]V, first []string) []string {
	names := slices.Clone(first)
	for name := range m {
		if !slices.Contains(first, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names[len(first):])
	return names
}

// text returns a JSON value without quotes and brackets.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any:
		var parts []string
		for _, e := range v {
			parts = append(parts, text(e))
		}
		return strings.Join(parts, " ")
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(raw)
}

// secret are the names of secret values.
var secret = []string{
	"_csrf", "csrf", "access_token", "authorization", "client_secret", "code", "code_verifier", "cookie", "id_token", "password", "refresh_token",
	"registration_access_token", "set-cookie",
}

// redact returns the value for the report: of a secret only the beginning,
// which is enough to distinguish secrets and too short to use.
func redact(name, value string) string {
	if !slices.Contains(secret, strings.ToLower(name)) {
		return value
	}
	scheme := ""
	if strings.EqualFold(name, "authorization") {
		if s, rest, ok := strings.Cut(value, " "); ok {
			scheme, value = s+" ", rest
		}
	}
	return scheme + shorten(value)
}

func shorten(s string) string {
	if len(s) < 16 { // the beginning would be half of it
		return "…"
	}
	return s[:8] + "…"
}

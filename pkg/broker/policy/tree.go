package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	maxDocument = 256 << 10 // bytes
	maxDepth    = 16        // levels; a document needs five
)

// Fault is one fault of a document.
type Fault struct {
	// Path is the place of the fault, as in
	// profiles.open.redirect_uris.https[2]. It is empty for a fault of the
	// whole document.
	Path    string
	Message string
}

// String returns path and message.
func (f Fault) String() string {
	if f.Path == "" {
		return f.Message
	}
	return f.Path + ": " + f.Message
}

// ParseError has all faults of a document, at least one.
type ParseError struct{ Faults []Fault }

// Error returns the faults, one a line.
func (e *ParseError) Error() string {
	lines := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// faults collects faults, so that all of them are reported at once.
type faults []Fault

func (f *faults) add(path, format string, args ...any) {
	*f = append(*f, Fault{path, fmt.Sprintf(format, args...)})
}

// tree reads a JSON text into string, json.Number, bool, nil, []any and
// map[string]any. A member name that is repeated in one object is a fault, and
// the first value counts. If the text cannot be read at all, ok is false and
// the reason is the only fault.
func (f *faults) tree(body []byte) (v any, ok bool) {
	switch {
	case len(body) > maxDocument:
		f.add("", "longer than %d bytes", maxDocument)
	case len(bytes.TrimSpace(body)) == 0:
		f.add("", "the document is empty")
	case bytes.HasPrefix(body, []byte("\xef\xbb\xbf")):
		f.add("", "starts with a byte order mark; save it as UTF-8 without one")
	case !utf8.Valid(body):
		f.add("", "not UTF-8")
	default:
		if err := checkSyntax(body); err != nil {
			f.add("", "%v", err)
			return nil, false
		}
		d := json.NewDecoder(bytes.NewReader(body))
		d.UseNumber()
		v, err := f.value(d, "", 0)
		if err != nil {
			*f = faults{{Message: err.Error()}}
			return nil, false
		}
		return v, true
	}
	return nil, false
}

func checkSyntax(body []byte) error {
	var raw json.RawMessage
	err := json.Unmarshal(body, &raw)
	s, ok := errors.AsType[*json.SyntaxError](err)
	if err == nil || !ok {
		return err
	}
	before := body[:min(max(int(s.Offset)-1, 0), len(body))]
	line := 1 + bytes.Count(before, []byte("\n"))
	column := len(before) - bytes.LastIndexByte(before, '\n')
	return fmt.Errorf("not JSON: line %d, column %d: %w", line, column, err)
}

// value reads the next value. The caller has checked that the text is JSON.
func (f *faults) value(d *json.Decoder, path string, depth int) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d levels", maxDepth)
	}
	switch t {
	case json.Delim('{'):
		return f.members(d, path, depth)
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := f.value(d, index(path, len(list)), depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := d.Token() // the closing bracket
		return list, err
	}
	return t, nil
}

// members reads the rest of an object.
func (f *faults) members(d *json.Decoder, path string, depth int) (any, error) {
	o := make(map[string]any)
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		name := fmt.Sprint(t) // always a string, since it stands before a colon
		v, err := f.value(d, member(path, name), depth+1)
		if err != nil {
			return nil, err
		}
		if _, ok := o[name]; ok {
			f.add(member(path, name), "occurs more than once")
			continue
		}
		o[name] = v
	}
	_, err := d.Token() // the closing brace
	return o, err
}

func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

const (
	lower  = "abcdefghijklmnopqrstuvwxyz"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits = "0123456789"
)

// allIn reports whether s is not empty and all of its characters are in the
// alphabet.
func allIn(s, alphabet string) bool { return s != "" && strings.Trim(s, alphabet) == "" }

// member returns the path of a member of the object at path.
func member(path, name string) string {
	switch {
	case len(name) > 64 || !allIn(name, lower+upper+digits+"_-"):
		return path + "[" + quote(name) + "]"
	case path == "":
		return name
	}
	return path + "." + name
}

// quote returns at most 64 bytes of s as an ASCII Go string.
func quote(s string) string {
	if len(s) > 64 {
		s = s[:64] + "..."
	}
	return strconv.QuoteToASCII(s)
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case string:
		return "a string"
	case json.Number:
		return "a number"
	case bool:
		return "a boolean"
	case []any:
		return "an array"
	}
	return "an object"
}

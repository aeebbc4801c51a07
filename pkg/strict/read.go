package strict

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxDepth is the number of levels of a text.
const maxDepth = 16

// Read reads a JSON text of at most limit bytes into string, json.Number, bool,
// nil, []any and map[string]any. A member name that is repeated in one object
// is a fault, and the first value counts. If the text cannot be read at all, ok
// is false, and the reason is the only fault that Read adds.
func Read(body []byte, limit int, f *Faults) (tree any, ok bool) {
	switch {
	case len(body) > limit:
		f.Add("", "%s; at most %s; write arrays on one line", size(len(body)), size(limit))
	case len(bytes.TrimSpace(body)) == 0:
		f.Add("", "the document is empty")
	case bytes.HasPrefix(body, []byte("\xef\xbb\xbf")):
		f.Add("", "starts with a byte order mark; save it as UTF-8 without one")
	case !utf8.Valid(body):
		f.Add("", "not UTF-8")
	default:
		if err := checkSyntax(body); err != nil {
			f.Add("", "%v", err)
			return nil, false
		}
		r := newReader(body)
		v, err := r.value("", 0)
		if err != nil {
			f.Add("", "%v", err)
			return nil, false
		}
		f.body = body
		if r.repeats {
			_, repeated := positionsOf(body)
			for _, path := range repeated {
				f.Add(path, "occurs more than once")
			}
		}
		return v, true
	}
	return nil, false
}

// size returns a number of bytes in words. It rounds up, so that more than 128 KB
// is at least 129 KB.
func size(n int) string {
	if n < 1024 {
		return strconv.Itoa(n) + " bytes"
	}
	return strconv.Itoa((n+1023)/1024) + " KB"
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

// reader reads a text that is JSON. It knows paths only if it has positions to
// fill: a document without fault needs none.
type reader struct {
	d         *json.Decoder
	repeats   bool // a name occurs again in its object
	repeated  []string
	positions positions // nil if paths are not needed
}

func newReader(body []byte) *reader {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	return &reader{d: d}
}

// positions has the order of the values of a document, by path.
type positions map[string]int

// positionsOf reads a document again that Read has read. It returns the paths of
// repeated names, too.
func positionsOf(body []byte) (p positions, repeated []string) {
	r := newReader(body)
	r.positions = make(positions)
	_, _ = r.value("", 0) // the same as before
	return r.positions, r.repeated
}

// of returns the position of the value at path, or of the one around it.
func (p positions) of(path string) int {
	for {
		if at, ok := p[path]; ok || path == "" {
			return at
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
}

// index returns the path of an element, or "" if paths are not needed.
func (r *reader) index(path string, i int) string {
	if r.positions == nil {
		return ""
	}
	return Index(path, i)
}

// member returns the path of a member, or "" if paths are not needed.
func (r *reader) member(path, name string) string {
	if r.positions == nil {
		return ""
	}
	return Member(path, name)
}

func (r *reader) value(path string, depth int) (any, error) {
	t, err := r.d.Token()
	if err != nil {
		return nil, err
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d levels", maxDepth)
	}
	if _, ok := r.positions[path]; !ok && r.positions != nil {
		r.positions[path] = len(r.positions)
	}
	switch t {
	case json.Delim('{'):
		return r.members(path, depth)
	case json.Delim('['):
		list := []any{}
		for r.d.More() {
			v, err := r.value(r.index(path, len(list)), depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := r.d.Token() // the closing bracket
		return list, err
	}
	return t, nil
}

// members reads the rest of an object.
func (r *reader) members(path string, depth int) (any, error) {
	o := make(map[string]any)
	for r.d.More() {
		t, err := r.d.Token()
		if err != nil {
			return nil, err
		}
		name, _ := t.(string) // always, since it stands before a colon
		at := r.member(path, name)
		v, err := r.value(at, depth+1)
		if err != nil {
			return nil, err
		}
		if _, ok := o[name]; ok {
			r.repeats = true
			r.repeated = append(r.repeated, at)
			continue
		}
		o[name] = v
	}
	_, err := r.d.Token() // the closing brace
	return o, err
}

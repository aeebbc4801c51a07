package doctor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// object is a JSON object from a server. Names are compared exactly.
type object map[string]json.RawMessage

// decode reads the answer's body as a JSON object.
func (a *answer) decode() (object, error) {
	var o object
	if err := json.Unmarshal(a.body, &o); err != nil || o == nil {
		return nil, errors.New("the body is not a JSON object")
	}
	return o, nil
}

// text returns a string member; "" if it is missing or not a string.
func (o object) text(name string) string {
	var s string
	if json.Unmarshal(o[name], &s) != nil {
		return ""
	}
	return s
}

// texts returns an array of strings; nil if it is missing or something else.
func (o object) texts(name string) []string {
	var list []string
	if json.Unmarshal(o[name], &list) != nil {
		return nil
	}
	return list
}

func (o object) isTrue(name string) bool { return string(o[name]) == "true" }

func (o object) has(name string) bool { _, ok := o[name]; return ok }

// kind is the type that a member must have.
type kind int

const (
	aString  kind = iota
	strings_      // an array of strings
	aBool
	anInteger
	aSeconds // an integer; some servers send it as a string
	anObject
)

// faults returns the members that are null, and those of a wrong type.
func (o object) faults(kinds map[string]kind) (nulls, others []string) {
	for _, name := range slices.Sorted(maps.Keys(o)) {
		raw := bytes.TrimSpace(o[name])
		if string(raw) == "null" {
			nulls = append(nulls, name)
			continue
		}
		if k, known := kinds[name]; known && !k.fits(raw) {
			others = append(others, name)
		}
	}
	return nulls, others
}

func (k kind) fits(raw json.RawMessage) bool {
	switch k {
	case aString:
		return json.Unmarshal(raw, new(string)) == nil
	case strings_:
		// encoding/json decodes null into an empty string.
		var list []*string
		return json.Unmarshal(raw, &list) == nil && !slices.Contains(list, nil)
	case aBool:
		return json.Unmarshal(raw, new(bool)) == nil
	case anInteger:
		return json.Unmarshal(raw, new(int64)) == nil
	case aSeconds:
		var n json.Number
		if json.Unmarshal(raw, &n) != nil {
			return false
		}
		_, err := n.Int64()
		return err == nil
	case anObject:
		var o object
		return json.Unmarshal(raw, &o) == nil
	}
	return false
}

// checkMembers adds the members that are null or of the wrong type.
func (f *finding) checkMembers(o object, kinds map[string]kind, breaks []string) {
	nulls, others := o.faults(kinds)
	if len(nulls) > 0 {
		f.fail(breaks, "null: %s; a member without a value must be left out", quotes(nulls))
	}
	if len(others) > 0 {
		f.fail(breaks, "of the wrong type: %s", quotes(others))
	}
}

// errorOf returns the status and OAuth error of an answer, for a report.
func errorOf(a *answer) string {
	o, err := a.decode()
	if err != nil || o.text("error") == "" {
		return fmt.Sprintf("%d without an OAuth error", a.status)
	}
	detail := fmt.Sprintf("%d %s", a.status, quote(o.text("error")))
	if text := o.text("error_description"); text != "" {
		detail += ": " + quote(text)
	}
	return detail
}

// missingFrom returns the values of want that are not in list.
func missingFrom(list []string, want ...string) []string {
	var missing []string
	for _, w := range want {
		if !slices.Contains(list, w) {
			missing = append(missing, w)
		}
	}
	return missing
}

// words joins names with commas.
func words(names []string) string { return strings.Join(names, ", ") }

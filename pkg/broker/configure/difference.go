package configure

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"

	"github.com/dcr-broker/dcr-broker/pkg/strict"
)

// A Change is a place at which two documents differ.
type Change struct {
	// Path is the place, such as profiles.open.limits.app_clients; see
	// strict.Member. An element of an array of objects has the value of its
	// identifying member, as in scopes["mcp/read"].description. A string that was
	// added to an array of strings, or removed from one, has the path of the array.
	Path string `json:"path"`
	// Before and After are the JSON values. Before is nil if the value was added,
	// After is nil if it was removed.
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

// Difference returns the changes from one document to another, sorted by the
// names of the members. An empty text is a document without members. The order
// of members does not matter, nor the order of an array whose elements are
// strings or have an identifying member; the order of any other array does. The
// error is for a text that is not a JSON object.
func Difference(before, after []byte) ([]Change, error) {
	b, err := decode(before)
	if err != nil {
		return nil, fmt.Errorf("the document before: %w", err)
	}
	a, err := decode(after)
	if err != nil {
		return nil, fmt.Errorf("the document after: %w", err)
	}
	var d difference
	d.objects("", b, a)
	return d, nil
}

func decode(document []byte) (map[string]any, error) {
	o := make(map[string]any)
	if len(document) == 0 {
		return o, nil
	}
	if !json.Valid(document) {
		return nil, json.Unmarshal(document, &o)
	}
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber() // a number keeps its digits
	return o, d.Decode(&o)
}

// identifiers are the members that identify the elements of arrays, by the name
// of the member that has the array.
var identifiers = map[string]string{
	"https": "pattern", "scopes": "name", "protected_resources": "resource", "introspection_clients": "id", "token_issuers": "name", "statement_issuers": "issuer",
}

// absent is the value of a member or element that is not there. JSON null is
// nil.
type absent struct{}

// difference collects changes.
type difference []Change

func (d *difference) add(path string, before, after any) {
	*d = append(*d, Change{path, text(before), text(after)})
}

// text returns a value as JSON, or nil if it is absent.
func text(v any) json.RawMessage {
	if v == (absent{}) {
		return nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // it was decoded from JSON
	}
	return bytes.TrimSpace(b.Bytes())
}

func (d *difference) objects(path string, before, after map[string]any) {
	names := slices.Sorted(maps.Keys(before))
	for name := range after {
		if _, ok := before[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		d.values(strict.Member(path, name), name, valueOf(before, name), valueOf(after, name))
	}
}

// valueOf returns a member of an object, or absent.
func valueOf(o map[string]any, name string) any {
	if v, ok := o[name]; ok {
		return v
	}
	return absent{}
}

// values compares two values of the member with that name.
func (d *difference) values(path, name string, before, after any) {
	if reflect.DeepEqual(before, after) {
		return
	}
	switch b := before.(type) {
	case map[string]any:
		if a, ok := after.(map[string]any); ok {
			d.objects(path, b, a)
			return
		}
	case []any:
		if a, ok := after.([]any); ok && (d.sets(path, b, a) || d.elements(path, identifiers[name], b, a)) {
			return
		}
	}
	d.add(path, before, after)
}

// sets compares two arrays of strings. It returns false if one of them has an
// element that is not a string.
func (d *difference) sets(path string, before, after []any) bool {
	isText := func(v any) bool { _, ok := v.(string); return ok }
	if !all(before, isText) || !all(after, isText) {
		return false
	}
	for _, v := range before {
		if !slices.Contains(after, v) {
			d.add(path, v, absent{})
		}
	}
	for _, v := range after {
		if !slices.Contains(before, v) {
			d.add(path, absent{}, v)
		}
	}
	return true
}

func all(list []any, is func(any) bool) bool {
	return !slices.ContainsFunc(list, func(v any) bool { return !is(v) })
}

// elements compares two arrays of objects by their identifying member. It returns
// false if an element lacks that member, or if two elements have the same value.
func (d *difference) elements(path, identifier string, before, after []any) bool {
	was, wasNames, ok := byName(before, identifier)
	now, nowNames, ok2 := byName(after, identifier)
	if !ok || !ok2 {
		return false
	}
	added := slices.DeleteFunc(nowNames, func(name string) bool { return was[name] != nil })
	for _, name := range append(wasNames, added...) {
		place := path + "[" + strconv.QuoteToASCII(name) + "]"
		b, isOld := was[name]
		a, isNew := now[name]
		switch {
		case isOld && isNew:
			d.objects(place, b, a)
		case isOld:
			d.add(place, b, absent{})
		default:
			d.add(place, absent{}, a)
		}
	}
	return true
}

// byName returns the elements of an array by their identifying member, and its
// values in their order. A string in redirect_uris.https is an object that has only
// this member.
func byName(list []any, identifier string) (elements map[string]map[string]any, names []string, ok bool) {
	elements = make(map[string]map[string]any)
	for _, v := range list {
		o, _ := v.(map[string]any)
		if s, ok := v.(string); ok && identifier == identifiers["https"] {
			o = map[string]any{identifier: s}
		}
		name, isText := o[identifier].(string)
		if _, twice := elements[name]; !isText || twice {
			return nil, nil, false
		}
		elements[name] = o
		names = append(names, name)
	}
	return elements, names, true
}

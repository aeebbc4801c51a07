package strict

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// A Decoder decodes itself from the tree of the value at path.
type Decoder interface {
	DecodeTree(path string, tree any, f *Faults)
}

// A Choice is a string type with few values.
type Choice interface {
	Choices() []string
}

// Decode decodes the tree of the value at path into v, a pointer, and adds its
// faults. A part of another kind stays zero; an absent member stays as it was.
//
// A struct's fields are the members of an object; fields without a json tag of
// embedded structs count as its own. A nil slice, map or pointer is an absent
// member: Decode makes every other one, even an empty one. An array of strings
// is a set: each is there once and none is empty.
//
// Four more tags of a field change what is allowed:
//
//   - range:"1..10" has the lowest and highest value of an integer or a
//     [Lifetime]. If 0 is outside, the zero value is an absent member.
//   - absent:"leave it out for no limit" is added to the message of range.
//   - must:"must be ..." is the message for a value of another kind, and for an
//     empty one, which is then not allowed.
//   - null:"absent" allows null for an absent member.
func Decode(path string, tree, v any, f *Faults) {
	decode(path, tree, reflect.ValueOf(v).Elem(), "", f)
}

// decode decodes into v. tag is that of the field, if v is one.
func decode(path string, tree any, v reflect.Value, tag reflect.StructTag, f *Faults) {
	if tree == nil && tag.Get("null") == "absent" {
		return
	}
	if must := tag.Get("must"); must != "" && (!fits(tree, v.Type()) || empty(tree)) {
		f.Add(path, "%s", must)
		return
	}
	switch into := v.Addr().Interface().(type) {
	case *Lifetime:
		into.decode(path, tree, tag, f)
	case Decoder:
		into.DecodeTree(path, tree, f)
	case Choice:
		choice(path, tree, v, into.Choices(), f)
	default:
		kind(path, tree, v, tag, f)
	}
}

func choice(path string, tree any, v reflect.Value, choices []string, f *Faults) {
	s, ok := tree.(string)
	if !ok || !slices.Contains(choices, s) {
		f.Add(path, "must be %s", strings.Join(choices, " or "))
		return
	}
	v.SetString(s)
}

// kind decodes into v, which has none of the types with a decoder.
func kind(path string, tree any, v reflect.Value, tag reflect.StructTag, f *Faults) {
	switch {
	case v.Kind() == reflect.Int:
		number(path, tree, v, tag, f)
		return
	case v.Kind() == reflect.Pointer:
		element := reflect.New(v.Type().Elem())
		decode(path, tree, element.Elem(), "", f)
		if fits(tree, v.Type()) {
			v.Set(element)
		}
		return
	case !fits(tree, v.Type()):
		f.Add(path, "must be %s, not %s", wanted(v.Type()), kindOf(tree))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(tree.(string))
	case reflect.Bool:
		v.SetBool(tree.(bool))
	case reflect.Slice:
		slice(path, tree.([]any), v, f)
	case reflect.Map:
		mapOf(path, tree.(map[string]any), v, f)
	case reflect.Struct:
		object(path, tree.(map[string]any), v, f)
	}
}

func mapOf(path string, o map[string]any, v reflect.Value, f *Faults) {
	members := reflect.MakeMap(v.Type())
	v.Set(members)
	for _, name := range slices.Sorted(maps.Keys(o)) {
		element := reflect.New(v.Type().Elem()).Elem()
		decode(Member(path, name), o[name], element, "", f)
		members.SetMapIndex(reflect.ValueOf(name), element)
	}
}

func slice(path string, list []any, v reflect.Value, f *Faults) {
	elements := reflect.MakeSlice(v.Type(), len(list), len(list))
	v.Set(elements)
	if v.Type().Elem().Kind() == reflect.String {
		set(path, list, elements, f)
		return
	}
	for i, e := range list {
		decode(Index(path, i), e, elements.Index(i), "", f)
	}
}

// set decodes strings, each once and none empty.
func set(path string, list []any, elements reflect.Value, f *Faults) {
	seen := make(map[string]bool, len(list))
	for i, e := range list {
		s, ok := e.(string)
		switch {
		case !ok:
			f.Add(Index(path, i), "must be a string, not %s", kindOf(e))
		case s == "":
			f.Add(Index(path, i), "must not be empty")
		case seen[s]:
			f.Add(Index(path, i), "%s is listed twice", Quote(s))
		}
		seen[s] = true
		elements.Index(i).SetString(s)
	}
}

func object(path string, o map[string]any, v reflect.Value, f *Faults) {
	fields := fieldsOf(v)
	known := make([]string, len(fields))
	for i, field := range fields {
		known[i] = field.name
	}
	for _, name := range slices.Sorted(maps.Keys(o)) {
		if !slices.Contains(known, name) {
			f.Add(Member(path, name), "unknown; known are %s", strings.Join(known, ", "))
		}
	}
	for _, field := range fields {
		if tree, ok := o[field.name]; ok {
			decode(Member(path, field.name), tree, field.value, field.tag, f)
		}
	}
}

type field struct {
	name  string
	value reflect.Value
	tag   reflect.StructTag
}

// fieldsOf returns the fields of a struct that are members of the object.
func fieldsOf(v reflect.Value) []field {
	var fields []field
	for i := range v.NumField() {
		t := v.Type().Field(i)
		name, _, _ := strings.Cut(t.Tag.Get("json"), ",")
		switch {
		case name == "" && t.Anonymous:
			fields = append(fields, fieldsOf(v.Field(i))...)
		case name != "" && name != "-":
			fields = append(fields, field{name, v.Field(i), t.Tag})
		}
	}
	return fields
}

// number decodes an integer in the range of its tag.
func number(path string, tree any, v reflect.Value, tag reflect.StructTag, f *Faults) {
	low, high, bounded := strings.Cut(tag.Get("range"), "..")
	literal, ok := tree.(json.Number)
	n, err := strconv.Atoi(literal.String())
	valid := ok && err == nil
	if bounded && valid {
		least, _ := strconv.Atoi(low)
		most, _ := strconv.Atoi(high)
		valid = least <= n && n <= most
	}
	switch {
	case valid:
		v.SetInt(int64(n))
	case !bounded:
		f.Add(path, "must be an integer, not %s", kindOf(tree))
	case low == high:
		f.Add(path, "must be %s", low)
	default:
		f.Add(path, "must be an integer from %s to %s%s", low, high, hint(tag))
	}
}

// hint returns the end of a message with the advice of the tag absent.
func hint(tag reflect.StructTag) string {
	if advice := tag.Get("absent"); advice != "" {
		return "; " + advice
	}
	return ""
}

// fits reports whether tree is of the JSON type for t.
func fits(tree any, t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer:
		return fits(tree, t.Elem())
	case reflect.String:
		_, ok := tree.(string)
		return ok
	case reflect.Bool:
		_, ok := tree.(bool)
		return ok
	case reflect.Slice:
		_, ok := tree.([]any)
		return ok
	case reflect.Map, reflect.Struct:
		_, ok := tree.(map[string]any)
		return ok
	case reflect.Int:
		_, ok := tree.(json.Number)
		return ok
	}
	return false
}

func empty(tree any) bool {
	switch v := tree.(type) {
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// wanted returns the JSON type for t in words.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.String {
			return "an array of strings"
		}
		if reflect.PointerTo(t.Elem()).Implements(reflect.TypeFor[Decoder]()) {
			return "an array"
		}
		return "an array of objects"
	}
	return "an object"
}

func kindOf(tree any) string {
	switch tree.(type) {
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

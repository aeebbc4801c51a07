package policy

import (
	"maps"
	"slices"
	"strings"
)

// item is one string of a list.
type item struct{ path, value string }

func values(items []item) []string {
	var list []string
	for _, i := range items {
		list = append(list, i.value)
	}
	return list
}

func has(o map[string]any, name string) bool {
	_, ok := o[name]
	return ok
}

// object reads an object that may have the known members.
func (d *reader) object(path string, v any, known ...string) (map[string]any, bool) {
	o, ok := v.(map[string]any)
	if !ok {
		d.add(path, "must be an object, not %s", kindOf(v))
	}
	for _, name := range slices.Sorted(maps.Keys(o)) {
		if !slices.Contains(known, name) {
			d.add(member(path, name), "unknown; known are %s", strings.Join(known, ", "))
		}
	}
	return o, ok
}

// list reads an array of strings, each once and none empty. The array itself
// may be empty.
func (d *reader) list(path string, v any) []item {
	elements, ok := v.([]any)
	if !ok {
		d.add(path, "must be an array of strings, not %s", kindOf(v))
		return nil
	}
	seen := make(map[string]bool)
	var items []item
	for i, e := range elements {
		s, ok := e.(string)
		switch {
		case !ok:
			d.add(index(path, i), "must be a string, not %s", kindOf(e))
		case s == "":
			d.add(index(path, i), "must not be empty")
		case seen[s]:
			d.add(index(path, i), "%s is listed twice", quote(s))
		default:
			seen[s] = true
			items = append(items, item{index(path, i), s})
		}
	}
	return items
}

// nonEmpty is list for an array with at least one string.
func (d *reader) nonEmpty(path string, v any) []item {
	if elements, ok := v.([]any); ok && len(elements) == 0 {
		d.add(path, "must not be empty; leave it out for the default")
	}
	return d.list(path, v)
}

// choices returns those of items that are in allowed, and reports the others.
func (d *reader) choices(items []item, allowed ...string) []item {
	return slices.DeleteFunc(items, func(i item) bool {
		if slices.Contains(allowed, i.value) {
			return false
		}
		d.add(i.path, "%s is not one of %s", quote(i.value), strings.Join(allowed, ", "))
		return true
	})
}

// choice reads a string that is one of allowed, and returns "" for any other.
func (d *reader) choice(path string, v any, allowed ...string) string {
	s, ok := v.(string)
	if !ok || !slices.Contains(allowed, s) {
		d.add(path, "must be %s", strings.Join(allowed, " or "))
		return ""
	}
	return s
}

func (d *reader) boolean(path string, v any, sent bool) bool {
	b, ok := v.(bool)
	if sent && !ok {
		d.add(path, "must be true or false, not %s", kindOf(v))
	}
	return b
}

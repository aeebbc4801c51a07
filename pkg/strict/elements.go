package strict

import (
	"slices"
	"strings"
)

// Element is a string of an array, with its path.
type Element struct{ Path, Value string }

// Elements returns the strings of the array at path that had no fault when they
// were decoded.
func (f *Faults) Elements(path string, list []string) []Element {
	var elements []Element
	for i, s := range list {
		if at := Index(path, i); !f.At(at) {
			elements = append(elements, Element{at, s})
		}
	}
	return elements
}

// OneOf returns the elements whose value is allowed, and adds a fault for each
// other one. It reuses the memory of elements.
func (f *Faults) OneOf(elements []Element, allowed ...string) []Element {
	return slices.DeleteFunc(elements, func(e Element) bool {
		if slices.Contains(allowed, e.Value) {
			return false
		}
		f.Add(e.Path, "%s is not one of %s", Quote(e.Value), strings.Join(allowed, ", "))
		return true
	})
}

// Want adds the fault of a member that must be what and is not. An empty value
// is an absent member.
func (f *Faults) Want(path, value, what string) {
	if value == "" {
		f.Add(path, "required: %s", what)
		return
	}
	f.Add(path, "must be %s", what)
}

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tailscale/hujson"
)

// A documentEdit changes a document and leaves the rest as it was written: the
// order of members, spaces and line ends.
type documentEdit struct {
	root   hujson.Value
	object *hujson.Object
}

func editDocument(body []byte) (*documentEdit, error) {
	e := new(documentEdit)
	var err error
	if e.root, err = hujson.Parse(bytes.Clone(body)); err != nil {
		return nil, err
	}
	var ok bool
	if e.object, ok = e.root.Value.(*hujson.Object); !ok {
		return nil, fmt.Errorf("the document is not a JSON object")
	}
	return e, nil
}

func (e *documentEdit) text() []byte { return e.root.Pack() }

// add adds an element, which is JSON, at the end of the array that a member
// has. If the document has no such member, it comes after the member after.
func (e *documentEdit) add(member, after string, element []byte) error {
	a, err := e.array(member, after)
	if err != nil {
		return err
	}
	v, err := hujson.Parse(element)
	if err != nil {
		return err
	}
	if n := len(a.Elements); n > 0 {
		v.BeforeExtra = a.Elements[n-1].BeforeExtra
	} else if indent := e.indent(); bytes.Contains(indent, []byte("\n")) {
		step := indent[bytes.LastIndexByte(indent, '\n')+1:] // one level, as the document has it
		if len(step) == 0 {
			step = hujson.Extra("  ")
		}
		v.BeforeExtra, a.AfterExtra = append(slices.Clone(indent), step...), indent
	}
	a.Elements = append(a.Elements, v)
	return nil
}

// remove removes the element with that index of the array that a member has.
func (e *documentEdit) remove(member string, i int) error {
	a, err := e.array(member, "")
	if err != nil {
		return err
	}
	a.Elements = slices.Delete(a.Elements, i, i+1)
	if n := len(a.Elements); n > 0 {
		a.Elements[n-1].AfterExtra = nil // hujson would write a comma after it
	} else {
		a.AfterExtra = nil
	}
	return nil
}

// array returns the array that a member has. It adds the member if the document
// has none.
func (e *documentEdit) array(member, after string) (*hujson.Array, error) {
	if i := e.index(member); i >= 0 {
		a, ok := e.object.Members[i].Value.Value.(*hujson.Array)
		if !ok {
			return nil, fmt.Errorf("%s is not an array", member)
		}
		return a, nil
	}
	a, members := new(hujson.Array), e.object.Members
	m := hujson.ObjectMember{
		Name:  hujson.Value{Value: hujson.String(member), BeforeExtra: e.indent()},
		Value: hujson.Value{Value: a, BeforeExtra: e.space()},
	}
	i := e.index(after) + 1
	if i == 0 {
		i = len(members)
	}
	e.object.Members = slices.Insert(members, i, m)
	return a, nil
}

// index returns the index of a member of the document, or -1.
func (e *documentEdit) index(member string) int {
	return slices.IndexFunc(e.object.Members, func(m hujson.ObjectMember) bool {
		name, ok := m.Name.Value.(hujson.Literal)
		return ok && name.String() == member
	})
}

// indent returns what comes before the document's members, and space what comes
// before their values.
func (e *documentEdit) indent() hujson.Extra {
	if len(e.object.Members) == 0 {
		return nil
	}
	return slices.Clone(e.object.Members[0].Name.BeforeExtra)
}

func (e *documentEdit) space() hujson.Extra {
	if len(e.object.Members) == 0 {
		return nil
	}
	return slices.Clone(e.object.Members[0].Value.BeforeExtra)
}

// objectText returns a JSON object with the members in this order, on one line.
func objectText(members ...member) ([]byte, error) {
	var parts []string
	for _, m := range members {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if list, ok := m.value.([]string); ok {
			var items []string
			for _, s := range list {
				b.Reset()
				if err := enc.Encode(s); err != nil {
					return nil, err
				}
				items = append(items, strings.TrimSpace(b.String()))
			}
			parts = append(parts, fmt.Sprintf("%q: [%s]", m.name, strings.Join(items, ", ")))
			continue
		}
		if err := enc.Encode(m.value); err != nil {
			return nil, err
		}
		parts = append(parts, fmt.Sprintf("%q: %s", m.name, strings.TrimSpace(b.String())))
	}
	return []byte("{ " + strings.Join(parts, ", ") + " }"), nil
}

// member is a member of an object.
type member struct {
	name  string
	value any
}

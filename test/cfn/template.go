package cfn

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Template has the resources of a template. Values are strings, []any and
// map[string]any. Numbers and booleans are text, and so are references and
// joined text, whichever function the template uses for them. A reference is
// ${ID}, an attribute ${ID.Attribute}, a pseudo parameter ${AWS::Region}.
type Template struct {
	Resources map[string]*Resource
	Outputs   map[string]string // values
}

// Resource is a resource of a template.
type Resource struct {
	ID, Type   string
	Properties map[string]any
	DependsOn  []string
	// DeletionPolicy and UpdateReplacePolicy are "" if the template has none.
	DeletionPolicy, UpdateReplacePolicy string
}

// Read reads a template in JSON.
func Read(r io.Reader) (*Template, error) {
	var in struct {
		Resources map[string]struct {
			Type                                string
			Properties                          any
			DependsOn                           any
			DeletionPolicy, UpdateReplacePolicy string
			Condition                           string
		}
		Outputs map[string]struct{ Value any }
	}
	dec := json.NewDecoder(r)
	dec.UseNumber()
	if err := dec.Decode(&in); err != nil {
		return nil, fmt.Errorf("cfn: %w", err)
	}
	if len(in.Resources) == 0 {
		return nil, fmt.Errorf("cfn: no resources")
	}
	t := &Template{Resources: make(map[string]*Resource), Outputs: make(map[string]string)}
	for id, r := range in.Resources {
		if r.Condition != "" {
			return nil, fmt.Errorf("cfn: %s has the unresolved condition %s", id, r.Condition)
		}
		out := &Resource{ID: id, Type: r.Type, DeletionPolicy: r.DeletionPolicy, UpdateReplacePolicy: r.UpdateReplacePolicy}
		properties, err := canonical(r.Properties)
		if err != nil {
			return nil, fmt.Errorf("cfn: %s: %w", id, err)
		}
		out.Properties, _ = properties.(map[string]any)
		switch d := r.DependsOn.(type) {
		case string:
			out.DependsOn = []string{d}
		case []any:
			for _, v := range d {
				out.DependsOn = append(out.DependsOn, fmt.Sprint(v))
			}
		}
		slices.Sort(out.DependsOn)
		t.Resources[id] = out
	}
	for name, o := range in.Outputs {
		v, err := canonical(o.Value)
		if err != nil {
			return nil, fmt.Errorf("cfn: output %s: %w", name, err)
		}
		t.Outputs[name] = text(v)
	}
	return t, nil
}

// Of returns the resources of a type, such as AWS::Lambda::Function, in order
// of id.
func (t *Template) Of(kind string) []*Resource {
	var of []*Resource
	for _, id := range slices.Sorted(maps.Keys(t.Resources)) {
		if t.Resources[id].Type == kind {
			of = append(of, t.Resources[id])
		}
	}
	return of
}

// Get returns the value at a path of properties; nil if there is none.
func (r *Resource) Get(path ...string) any {
	var v any = r.Properties
	for _, name := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}

// Text returns the value at a path of properties as text, in JSON if it is not
// a string; "" if there is none.
func (r *Resource) Text(path ...string) string {
	v := r.Get(path...)
	if v == nil {
		return ""
	}
	return text(v)
}

// Rename changes the ids of resources, everywhere. The new ids must differ.
func (t *Template) Rename(name func(r *Resource) string) error {
	ids := make(map[string]string)
	resources := make(map[string]*Resource)
	for id, r := range t.Resources {
		ids[id] = name(r)
		if other := resources[ids[id]]; other != nil {
			return fmt.Errorf("cfn: %s and %s would both be %s", other.ID, id, ids[id])
		}
		resources[ids[id]] = r
	}
	for id, r := range resources {
		r.ID = id
		r.Properties, _ = renamed(r.Properties, ids).(map[string]any)
		for i, d := range r.DependsOn {
			if ids[d] != "" {
				r.DependsOn[i] = ids[d]
			}
		}
		slices.Sort(r.DependsOn)
	}
	for o, v := range t.Outputs {
		t.Outputs[o] = renamed(v, ids).(string)
	}
	t.Resources = resources
	return nil
}

func renamed(v any, ids map[string]string) any {
	switch v := v.(type) {
	case string:
		return reference.ReplaceAllStringFunc(v, func(ref string) string {
			id, attribute, dot := strings.Cut(ref[2:len(ref)-1], ".")
			if ids[id] == "" {
				return ref
			}
			if dot {
				return "${" + ids[id] + "." + attribute + "}"
			}
			return "${" + ids[id] + "}"
		})
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = renamed(e, ids)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = renamed(e, ids)
		}
		return out
	}
	return v
}

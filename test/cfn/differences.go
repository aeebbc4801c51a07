package cfn

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// Difference is a difference between two templates.
type Difference struct {
	// Path is the id of a resource, or of a property of a resource, with a dot
	// between its parts: Stage.DefaultRouteSettings.ThrottlingRateLimit. A list
	// member has its index. It is the path of the value that differs, not of the
	// value that contains it.
	Path string
	// Left and Right are the values in the templates; "" for none.
	Left, Right string
}

func (d Difference) String() string { return fmt.Sprintf("%s: %q, %q", d.Path, d.Left, d.Right) }

// Differences compares the resources of two templates by id, with their
// properties and deletion policies. It leaves out outputs and dependencies. The
// differences are in order of their paths.
func Differences(left, right *Template) []Difference {
	var all []Difference
	for _, id := range either(left.Resources, right.Resources) {
		l, r := left.Resources[id], right.Resources[id]
		switch {
		case l == nil:
			all = append(all, Difference{Path: id, Right: r.Type})
		case r == nil:
			all = append(all, Difference{Path: id, Left: l.Type})
		case l.Type != r.Type:
			all = append(all, Difference{id, l.Type, r.Type})
		default:
			all = compare(all, id, l.Properties, r.Properties)
			for name, p := range map[string][2]string{
				"DeletionPolicy":      {l.DeletionPolicy, r.DeletionPolicy},
				"UpdateReplacePolicy": {l.UpdateReplacePolicy, r.UpdateReplacePolicy},
			} {
				if p[0] != p[1] {
					all = append(all, Difference{id + "." + name, p[0], p[1]})
				}
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Difference) int {
		if a.Path < b.Path {
			return -1
		}
		if a.Path > b.Path {
			return 1
		}
		return 0
	})
	return all
}

func compare(all []Difference, path string, l, r any) []Difference {
	lm, lok := l.(map[string]any)
	rm, rok := r.(map[string]any)
	if lok && rok {
		for _, k := range either(lm, rm) {
			all = compare(all, path+"."+k, lm[k], rm[k])
		}
		return all
	}
	ll, lok := l.([]any)
	rl, rok := r.([]any)
	if lok && rok && len(ll) == len(rl) {
		for i := range ll {
			all = compare(all, path+"."+strconv.Itoa(i), ll[i], rl[i])
		}
		return all
	}
	if a, b := display(l), display(r); a != b {
		all = append(all, Difference{path, a, b})
	}
	return all
}

func display(v any) string {
	if v == nil {
		return ""
	}
	return text(v)
}

// either returns the keys of both maps, in order.
func either[V any](a, b map[string]V) []string {
	keys := make(map[string]bool)
	for k := range a {
		keys[k] = true
	}
	for k := range b {
		keys[k] = true
	}
	return slices.Sorted(maps.Keys(keys))
}

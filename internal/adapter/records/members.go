package records

import (
	"encoding/json"
	"errors"
)

// A newer program may write members into a body that this program does not
// know. They are kept beside the record, in a JSON object with the same
// nesting, and written back with it.

// membersOnlyIn returns the members of the object old that the object known
// does not have, or nil if there are none.
func membersOnlyIn(old, known []byte) (json.RawMessage, error) {
	var o, k map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(old, &o), json.Unmarshal(known, &k)); err != nil {
		return nil, err
	}
	for name, value := range o {
		other, ok := k[name]
		if !ok {
			continue
		}
		delete(o, name)
		if value[0] == '{' && other[0] == '{' {
			inner, err := membersOnlyIn(value, other)
			if err != nil {
				return nil, err
			}
			if inner != nil {
				o[name] = inner
			}
		}
	}
	if len(o) == 0 {
		return nil, nil
	}
	return json.Marshal(o)
}

// withMembers returns the object body with those members of the object extra
// that it does not have.
func withMembers(body, extra []byte) (json.RawMessage, error) {
	var b, e map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(body, &b), json.Unmarshal(extra, &e)); err != nil {
		return nil, err
	}
	for name, value := range e {
		own, ok := b[name]
		if !ok {
			b[name] = value
		} else if own[0] == '{' && value[0] == '{' {
			var err error
			if b[name], err = withMembers(own, value); err != nil {
				return nil, err
			}
		}
	}
	return json.Marshal(b)
}

package records

import (
	"encoding/json"
	"fmt"
)

// A newer program may write members into a body that this program does not
// know. They are kept beside the record, in a JSON object with the same
// nesting, and written back with it.

// membersOnlyIn returns the members of the object old that the object known
// does not have, or nil if there are none.
func membersOnlyIn(old, known []byte) (json.RawMessage, error) {
	o, err := object(old)
	if err != nil {
		return nil, err
	}
	k, err := object(known)
	if err != nil {
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
	b, err := object(body)
	if err != nil {
		return nil, err
	}
	e, err := object(extra)
	if err != nil {
		return nil, err
	}
	for name, value := range e {
		own, ok := b[name]
		switch {
		case !ok:
			b[name] = value
		case own[0] == '{' && value[0] == '{':
			if b[name], err = withMembers(own, value); err != nil {
				return nil, err
			}
		}
	}
	return json.Marshal(b)
}

func object(text []byte) (map[string]json.RawMessage, error) {
	var o map[string]json.RawMessage
	if err := json.Unmarshal(text, &o); err != nil {
		return nil, fmt.Errorf("not a JSON object: %w", err)
	}
	return o, nil
}

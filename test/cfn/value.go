package cfn

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// reference matches a reference in a text.
var reference = regexp.MustCompile(`\$\{[A-Za-z0-9:.]+\}`)

// canonical converts a value of a template to the form in Template.
func canonical(v any) (any, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		// Outside Fn::Sub, "${" is not a reference.
		return strings.ReplaceAll(v, "${", "${!"), nil
	case json.Number:
		return v.String(), nil
	case bool:
		return fmt.Sprint(v), nil
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			c, err := canonical(e)
			if err != nil {
				return nil, err
			}
			out[i] = c
		}
		return out, nil
	case map[string]any:
		if len(v) == 1 {
			for name, argument := range v {
				if name == "Ref" || strings.HasPrefix(name, "Fn::") {
					return function(name, argument)
				}
			}
		}
		out := make(map[string]any, len(v))
		for k, e := range v {
			c, err := canonical(e)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", k, err)
			}
			out[k] = c
		}
		return out, nil
	}
	return nil, fmt.Errorf("%T in JSON", v)
}

func function(name string, argument any) (any, error) {
	switch name {
	case "Ref":
		return fmt.Sprintf("${%v}", argument), nil
	case "Fn::GetAtt":
		if list, ok := argument.([]any); ok && len(list) == 2 {
			return fmt.Sprintf("${%v.%v}", list[0], list[1]), nil
		}
		return fmt.Sprintf("${%v}", argument), nil
	case "Fn::Sub":
		return sub(argument)
	case "Fn::If":
		return nil, fmt.Errorf("unresolved Fn::If %v", argument)
	}
	c, err := canonical(argument)
	if err != nil {
		return nil, err
	}
	list, _ := c.([]any)
	if name == "Fn::Join" && len(list) == 2 {
		if parts, ok := list[1].([]any); ok {
			texts := make([]string, len(parts))
			for i, p := range parts {
				texts[i] = text(p)
			}
			return strings.Join(texts, text(list[0])), nil
		}
	}
	// A text, so that it can be part of another text.
	return "${" + name + " " + text(c) + "}", nil
}

// sub replaces the variables in the text of a Fn::Sub.
func sub(argument any) (any, error) {
	if s, ok := argument.(string); ok {
		return s, nil
	}
	list, ok := argument.([]any)
	if !ok || len(list) != 2 {
		return nil, fmt.Errorf("Fn::Sub %v", argument)
	}
	s, _ := list[0].(string)
	names, _ := list[1].(map[string]any)
	var fault error
	s = reference.ReplaceAllStringFunc(s, func(ref string) string {
		v, ok := names[ref[2:len(ref)-1]]
		if !ok {
			return ref
		}
		c, err := canonical(v)
		if err != nil {
			fault = err
		}
		return text(c)
	})
	return s, fault
}

// text returns a canonical value as text: a string itself, other values as
// JSON.
func text(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // every canonical value can be encoded
	}
	return string(b)
}

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/strict"
)

// build returns the schema as JSON. root is the folder of the module.
func build(root string) ([]byte, error) {
	g := &generator{docs: make(map[string]string), used: make(map[string]bool)}
	for _, dir := range []string{"policy", "configuration"} {
		if err := g.read(filepath.Join(root, "pkg", "broker", dir)); err != nil {
			return nil, err
		}
	}
	s, err := g.object("", reflect.TypeFor[configuration.Document]())
	if err != nil {
		return nil, err
	}
	s.Schema = "https://json-schema.org/draft/2020-12/schema"
	s.ID = "https://raw.githubusercontent.com/dcr-broker/dcr-broker/main/docs/configuration.schema.json"
	s.Title = "Configuration of dcr-broker"
	for path := range rules {
		if !g.used[path] {
			return nil, fmt.Errorf("the rule for %s is for no member of the document", path)
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err = e.Encode(s)
	return b.Bytes(), err
}

type generator struct {
	docs map[string]string // descriptions by package.Type and package.Type.Field
	used map[string]bool   // paths of rules
}

// object returns the schema of the object at path.
func (g *generator) object(path string, t reflect.Type) (*jsonschema.Schema, error) {
	s := &jsonschema.Schema{
		Type: "object", Description: g.docs[t.String()], Properties: make(map[string]*jsonschema.Schema),
		AdditionalProperties: &jsonschema.Schema{Not: &jsonschema.Schema{}},
	}
	return s, g.members(path, t, s)
}

func (g *generator) members(path string, t reflect.Type, s *jsonschema.Schema) error {
	for i := range t.NumField() {
		field := t.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" && field.Anonymous {
			if err := g.members(path, field.Type, s); err != nil {
				return err
			}
			continue
		}
		description, ok := g.docs[t.String()+"."+field.Name]
		if !ok {
			return fmt.Errorf("%s.%s has no comment", t, field.Name)
		}
		at := strings.TrimPrefix(path+"."+name, ".")
		m, err := g.value(at, field.Type, field.Tag)
		if err != nil {
			return err
		}
		m.Title, m.Description = title(name), description
		if low, high, ok := strings.Cut(field.Tag.Get("range"), ".."); ok && field.Type == reflect.TypeFor[strict.Lifetime]() {
			m.Description += " From " + low + " to " + high + "."
		}
		s.Properties[name] = m
		s.PropertyOrder = append(s.PropertyOrder, name)
		if options == "" {
			s.Required = append(s.Required, name)
		}
	}
	return nil
}

// value returns the schema of the value at path. tag is that of its field.
func (g *generator) value(path string, t reflect.Type, tag reflect.StructTag) (*jsonschema.Schema, error) {
	s, err := g.kind(path, t, tag)
	if err != nil {
		return nil, err
	}
	if tag.Get("must") != "" {
		one := 1
		switch t.Kind() {
		case reflect.String:
			s.MinLength = &one
		case reflect.Slice:
			s.MinItems = &one
		case reflect.Map:
			s.MinProperties = &one
		}
	}
	if tag.Get("null") == "absent" {
		s.Types, s.Type = []string{s.Type, "null"}, ""
	}
	if rule, ok := rules[path]; ok {
		g.used[path] = true
		rule(s)
	}
	return s, nil
}

func (g *generator) kind(path string, t reflect.Type, tag reflect.StructTag) (*jsonschema.Schema, error) {
	switch t {
	case reflect.TypeFor[strict.Lifetime]():
		low, high, _ := strings.Cut(tag.Get("range"), "..")
		least, ok := strict.ParseLifetime(low)
		most, ok2 := strict.ParseLifetime(high)
		if !ok || !ok2 {
			return nil, fmt.Errorf("the range %q is not two lifetimes", tag.Get("range"))
		}
		return &jsonschema.Schema{Type: "string", Pattern: lifetimes(least, most)}, nil
	case reflect.TypeFor[policy.Strings]():
		list, err := g.value(path+"[]", reflect.TypeFor[[]string](), "")
		if err != nil {
			return nil, err
		}
		one := 1
		list.MinItems = &one
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string", MinLength: &one}, list}}, nil
	case reflect.TypeFor[policy.DocumentHTTPS]():
		o, err := g.object(path, t)
		if err != nil {
			return nil, err
		}
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string", Pattern: o.Properties["pattern"].Pattern}, o}}, nil
	}
	if c, ok := reflect.Zero(t).Interface().(strict.Choice); ok {
		s := &jsonschema.Schema{Type: "string"}
		oneOf(c.Choices())(s)
		return s, nil
	}
	switch t.Kind() {
	case reflect.Pointer:
		return g.kind(path, t.Elem(), tag)
	case reflect.Struct:
		return g.object(path, t)
	case reflect.String:
		return &jsonschema.Schema{Type: "string"}, nil
	case reflect.Bool:
		return &jsonschema.Schema{Type: "boolean"}, nil
	case reflect.Int:
		return integer(tag)
	case reflect.Slice:
		element, err := g.value(path+"[]", t.Elem(), "")
		if err != nil {
			return nil, err
		}
		s := &jsonschema.Schema{Type: "array", Items: element}
		if t.Elem().Kind() == reflect.String {
			one := 1
			s.UniqueItems, element.MinLength = true, &one
		}
		return s, nil
	case reflect.Map:
		element, err := g.value(path+".*", t.Elem(), "")
		return &jsonschema.Schema{Type: "object", AdditionalProperties: element}, err
	}
	return nil, fmt.Errorf("%s: no schema for %s", path, t)
}

// integer returns the schema of an integer in the range of the tag.
func integer(tag reflect.StructTag) (*jsonschema.Schema, error) {
	low, high, _ := strings.Cut(tag.Get("range"), "..")
	least, err := strconv.ParseFloat(low, 64)
	most, err2 := strconv.ParseFloat(high, 64)
	if err != nil || err2 != nil {
		return nil, fmt.Errorf("the range %q is not two integers", tag.Get("range"))
	}
	if least == most {
		only := any(int(least))
		return &jsonschema.Schema{Const: &only}, nil
	}
	return &jsonschema.Schema{Type: "integer", Minimum: &least, Maximum: &most}, nil
}

// words are the parts of a member's name that are not written in lower case.
var words = map[string]string{
	"uris": "URIs", "uri": "URI", "id": "ID", "https": "HTTPS", "jwks": "JWKS", "sha256": "SHA-256", "$schema": "JSON Schema",
}

// title returns the name of a member in words.
func title(name string) string {
	parts := strings.Split(name, "_")
	for i, part := range parts {
		if word, ok := words[part]; ok {
			parts[i] = word
		} else if i == 0 {
			parts[i] = strings.ToUpper(part[:1]) + part[1:]
		}
	}
	return strings.Join(parts, " ")
}

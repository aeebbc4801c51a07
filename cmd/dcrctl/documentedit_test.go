package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// An edit changes its place and leaves every other byte as it was.
func TestDocumentEdit(t *testing.T) {
	add := func(member, after string) func(*documentEdit) error {
		return func(e *documentEdit) error { return e.add(member, after, []byte(`{ "n": 1 }`)) }
	}
	remove := func(i int) func(*documentEdit) error {
		return func(e *documentEdit) error { return e.remove("a", i) }
	}
	for _, tt := range []struct {
		name, before string
		edit         func(*documentEdit) error
		want         string
	}{
		{"add to an array of lines", "{\n\t\"a\": [\n\t\t{\"n\":0}\n\t],\n\t\"b\" : 2\n}\n", add("a", "b"), "{\n\t\"a\": [\n\t\t{\"n\":0},\n\t\t{ \"n\": 1 }\n\t],\n\t\"b\" : 2\n}\n"},
		{"add to an array on one line", `{"a":[{"n":0}],"b":2}`, add("a", "b"), `{"a":[{"n":0},{ "n": 1 }],"b":2}`},
		{"add to an empty array", "{\n  \"a\": [ ],\n  \"b\": 2\n}", add("a", "b"), "{\n  \"a\": [\n    { \"n\": 1 }\n  ],\n  \"b\": 2\n}"},
		{"add an array after a member", "{\n  \"b\": 2,\n  \"c\": 3\n}", add("a", "b"), "{\n  \"b\": 2,\n  \"a\": [\n    { \"n\": 1 }\n  ],\n  \"c\": 3\n}"},
		{"add an array at the end", "{\r\n  \"b\": 2\r\n}\r\n", add("a", "x"), "{\r\n  \"b\": 2,\r\n  \"a\": [\r\n    { \"n\": 1 }\r\n  ]\r\n}\r\n"},
		{"add an array to a document with tabs", "{\n\t\"b\": 2\n}", add("a", "b"), "{\n\t\"b\": 2,\n\t\"a\": [\n\t\t{ \"n\": 1 }\n\t]\n}"},
		{"add an array to a document without indents", "{\n\"b\": 2\n}", add("a", "b"), "{\n\"b\": 2,\n\"a\": [\n  { \"n\": 1 }\n]\n}"},
		{"add to an object on one line", ` {"b":2} `, add("a", "b"), ` {"b":2,"a":[{ "n": 1 }]} `},
		{"remove the first", "{\"a\": [\n  1 ,\n  2\n]}", remove(0), "{\"a\": [\n  2\n]}"},
		{"remove the last", "{\"a\": [\n  1 ,\n  2\n]}", remove(1), "{\"a\": [\n  1\n]}"},
		{"remove the only one", "{\"a\": [\n  1\n], \"b\": \"\\u00e9\"}", remove(0), "{\"a\": [], \"b\": \"\\u00e9\"}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, err := editDocument([]byte(tt.before))
			if err != nil {
				t.Fatal(err)
			}
			if err := tt.edit(e); err != nil {
				t.Fatal(err)
			}
			if got := string(e.text()); got != tt.want || !json.Valid(e.text()) {
				t.Errorf("got\n%q, want\n%q", got, tt.want)
			}
		})
	}
	for _, bad := range []string{"", "[]", "{", `{"a": 1}`} {
		e, err := editDocument([]byte(bad))
		if err == nil {
			err = e.add("a", "b", []byte("1"))
		}
		if err == nil {
			t.Errorf("an edit of %q succeeds, want an error", bad)
		}
	}
}

// Texts keep their characters, whatever they are.
func TestObjectText(t *testing.T) {
	got, err := objectText(member{"name", "a\"b<c>&\n"}, member{"scopes", []string{"x/y", "ü\\"}})
	if want := `{ "name": "a\"b<c>&\n", "scopes": ["x/y", "ü\\"] }`; err != nil || string(got) != want {
		t.Errorf("objectText = %s, %v, want %s", got, err, want)
	}
	var back struct {
		Name   string   `json:"name"`
		Scopes []string `json:"scopes"`
	}
	if err := json.Unmarshal(got, &back); err != nil || back.Name != "a\"b<c>&\n" || strings.Join(back.Scopes, " ") != "x/y ü\\" {
		t.Errorf("decoded: %+v, %v", back, err)
	}
}

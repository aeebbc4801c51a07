package configure_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker/configure"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// changesOf returns the changes as lines, PATH: BEFORE -> AFTER.
func changesOf(t *testing.T, before, after string) []string {
	t.Helper()
	changes, err := configure.Difference([]byte(before), []byte(after))
	if err != nil {
		t.Fatalf("Difference(%s, %s): %v", before, after, err)
	}
	var lines []string
	for _, c := range changes {
		lines = append(lines, c.Path+": "+string(c.Before)+" -> "+string(c.After))
	}
	return lines
}

func TestDifference(t *testing.T) {
	for _, tt := range []struct {
		name          string
		before, after string
		want          []string
	}{
		{"nothing", `{"a":1,"b":[{"x":null}]}`, ` { "b" : [ {"x":null} ] , "a" : 1 } `, nil},
		{"no document before", ``, `{"version":1,"branding":{"name":"x<&>"}}`, []string{`branding:  -> {"name":"x<&>"}`, `version:  -> 1`}},
		{"no document after", `{"version":1}`, ``, []string{`version: 1 -> `}},
		{"a value", `{"app_client_quota":1000}`, `{"app_client_quota":2000}`, []string{`app_client_quota: 1000 -> 2000`}},
		{"another type", `{"a":"1"}`, `{"a":1}`, []string{`a: "1" -> 1`}},
		{"null is no absent member", `{"a":null}`, `{}`, []string{`a: null -> `}},
		{"a large number", `{"a":9007199254740993}`, `{"a":9007199254740992}`, []string{`a: 9007199254740993 -> 9007199254740992`}},
		{"a nested member", `{"profiles":{"open":{"limits":{"app_clients":1}}}}`, `{"profiles":{"open":{"limits":{"app_clients":2,"creations_per_hour":3}}}}`,
			[]string{`profiles.open.limits.app_clients: 1 -> 2`, `profiles.open.limits.creations_per_hour:  -> 3`}},
		{"names that need quotes", `{"profiles":{"a b":1,"":1,"\u00e9":1}}`, `{"profiles":{"a b":2}}`,
			[]string{`profiles[""]: 1 -> `, `profiles["a b"]: 1 -> 2`, `profiles["\u00e9"]: 1 -> `}},

		{"the order of scopes", `{"scopes":[{"name":"a"},{"name":"b"}]}`, `{"scopes":[{"name":"b"},{"name":"a"}]}`, nil},
		{"a scope's description", `{"scopes":[{"name":"a"},{"name":"mcp/read","description":"x"}]}`, `{"scopes":[{"name":"mcp/read","description":"y"},{"name":"a"}]}`,
			[]string{`scopes["mcp/read"].description: "x" -> "y"`}},
		{"a scope more and one fewer", `{"scopes":[{"name":"a"},{"name":"b"}]}`, `{"scopes":[{"name":"c","description":"d"},{"name":"b"}]}`,
			[]string{`scopes["a"]: {"name":"a"} -> `, `scopes["c"]:  -> {"description":"d","name":"c"}`}},
		{"a resource's scopes and its introspection client", `{"protected_resources":[{"resource":"https://a/mcp","scopes":["x"],"introspection_clients":[{"id":"i","secret_sha256":"1"}]}]}`,
			`{"protected_resources":[{"resource":"https://b/mcp"},{"resource":"https://a/mcp","scopes":["y","x"],"introspection_clients":[{"id":"i","secret_sha256":"2"}]}]}`,
			[]string{
				`protected_resources["https://a/mcp"].introspection_clients["i"].secret_sha256: "1" -> "2"`,
				`protected_resources["https://a/mcp"].scopes:  -> "y"`,
				`protected_resources["https://b/mcp"]:  -> {"resource":"https://b/mcp"}`,
			}},
		{"issuers", `{"token_issuers":[{"name":"ci","issuer":"https://a"}],"statement_issuers":[{"issuer":"https://b","jwks_uri":"1"}]}`,
			`{"token_issuers":[{"name":"ci","issuer":"https://c"}],"statement_issuers":[{"issuer":"https://b","jwks_uri":"2"}]}`,
			[]string{`statement_issuers["https://b"].jwks_uri: "1" -> "2"`, `token_issuers["ci"].issuer: "https://a" -> "https://c"`}},

		{"the order of strings", `{"presets":["a","b"]}`, `{"presets":["b","a"]}`, nil},
		{"a string more and one fewer", `{"presets":["a","b"]}`, `{"presets":["c","b"]}`, []string{`presets: "a" -> `, `presets:  -> "c"`}},
		{"all strings", `{"presets":["a"]}`, `{"presets":[]}`, []string{`presets: "a" -> `}},
		{"an array that begins", `{}`, `{"presets":["a"]}`, []string{`presets:  -> ["a"]`}},

		{"a pattern that forwards", `{"https":["https://a/","https://b/"]}`, `{"https":[{"pattern":"https://b/","forwards":true},"https://a/"]}`,
			[]string{`https["https://b/"].forwards:  -> true`}},
		{"a pattern more", `{"https":["https://a/"]}`, `{"https":[{"pattern":"https://b/","forwards":true},"https://a/"]}`,
			[]string{`https["https://b/"]:  -> {"forwards":true,"pattern":"https://b/"}`}},

		{"the order of other arrays", `{"x":[1,2]}`, `{"x":[2,1]}`, []string{`x: [1,2] -> [2,1]`}},
		{"objects without a name", `{"x":[{"name":"a"}]}`, `{"x":[{"name":"b"}]}`, []string{`x: [{"name":"a"}] -> [{"name":"b"}]`}},
		{"a name twice", `{"scopes":[{"name":"a"}]}`, `{"scopes":[{"name":"a"},{"name":"a"}]}`, []string{`scopes: [{"name":"a"}] -> [{"name":"a"},{"name":"a"}]`}},
		{"an element without a name", `{"scopes":[{"name":"a"}]}`, `{"scopes":[{"name":"a"},{}]}`, []string{`scopes: [{"name":"a"}] -> [{"name":"a"},{}]`}},
		{"an element of another type", `{"scopes":[{"name":"a"}]}`, `{"scopes":["a"]}`, []string{`scopes: [{"name":"a"}] -> ["a"]`}},
		{"an array and a value", `{"scopes":["a"]}`, `{"scopes":"a"}`, []string{`scopes: ["a"] -> "a"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := changesOf(t, tt.before, tt.after); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("Difference:\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(tt.want, "\n     "))
			}
			// The other way round there are as many changes.
			if got := changesOf(t, tt.after, tt.before); len(got) != len(tt.want) {
				t.Errorf("the other way round: %q, want %d changes", got, len(tt.want))
			}
		})
	}
}

// A text that is no document is an error that says which of the two it is.
func TestDifferenceOfWhatIsNoDocument(t *testing.T) {
	for _, text := range []string{"{", "[]", "1", `{"a":1}{}`, "x"} {
		if _, err := configure.Difference([]byte(text), []byte(`{}`)); err == nil || !strings.Contains(err.Error(), "before") {
			t.Errorf("Difference(%s, {}): got error %v, want one of the document before", text, err)
		}
		if _, err := configure.Difference([]byte(`{}`), []byte(text)); err == nil || !strings.Contains(err.Error(), "after") {
			t.Errorf("Difference({}, %s): got error %v, want one of the document after", text, err)
		}
	}
}

// As JSON, an absent value has no member, and null has one.
func TestChangeAsJSON(t *testing.T) {
	changes, err := configure.Difference([]byte(`{"a":null}`), []byte(`{"b":1}`))
	if err != nil {
		t.Fatal(err)
	}
	const want = `[{"path":"a","before":null},{"path":"b","after":1}]`
	if got := string(must.Marshal(t, changes)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Two documents differ nowhere if they are the same, and each value that is
// reported is JSON.
func FuzzDifference(f *testing.F) {
	f.Add([]byte(`{"scopes":[{"name":"a"}],"x":["a","b"]}`), []byte(`{"scopes":[{"name":"b"}],"x":["b"]}`))
	f.Add([]byte(`{"a":{"b":[1]}}`), []byte(``))
	f.Add([]byte(`null`), []byte(`{"":"\ud800"}`))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		if same, err := configure.Difference(a, a); err == nil && len(same) > 0 {
			t.Errorf("Difference of the same document: %v", same)
		}
		changes, err := configure.Difference(a, b)
		back, backErr := configure.Difference(b, a)
		if (err == nil) != (backErr == nil) || len(changes) != len(back) {
			t.Fatalf("Difference: %d changes, %v; the other way round %d, %v", len(changes), err, len(back), backErr)
		}
		for _, c := range changes {
			if c.Path == "" || c.Before == nil && c.After == nil {
				t.Errorf("the change %+v has no path, or no value", c)
			}
			for _, v := range []json.RawMessage{c.Before, c.After} {
				if v != nil && !json.Valid(v) {
					t.Errorf("the change %+v has a value that is not JSON", c)
				}
			}
		}
	})
}

package strict_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/strict"
)

// recipe is a document with a field of each kind.
type recipe struct {
	Title  string         `json:"title"`
	Yield  int            `json:"yield,omitzero" range:"1..12" absent:"leave it out for four"`
	Steps  int            `json:"steps,omitzero"`
	Form   int            `json:"form,omitzero" range:"1..1"`
	Vegan  bool           `json:"vegan,omitzero"`
	Spicy  *bool          `json:"spicy,omitzero"`
	Tags   []string       `json:"tags,omitzero"`
	Parts  []part         `json:"parts,omitzero" must:"must be an array of parts, and not empty"`
	Prices map[string]int `json:"prices,omitzero"`
	Course course         `json:"course,omitzero"`
	Wine   string         `json:"wine,omitzero" must:"must be a wine; leave it out for water" null:"absent"`
	Oven   *oven          `json:"oven,omitzero"`
	Notes  words          `json:"notes,omitzero"`
	timing
	Hidden string `json:"-"`
	Local  string
}

type timing struct {
	Rest strict.Lifetime `json:"rest,omitzero" range:"5m..7d"`
}

type part struct {
	Name string `json:"name"`
}

type oven struct {
	Degrees int `json:"degrees,omitzero" range:"-5..300"`
}

type course string

func (course) Choices() []string { return []string{"starter", "main"} }

// words decodes itself from a string.
type words []string

func (w *words) DecodeTree(path string, tree any, f *strict.Faults) {
	s, _ := tree.(string)
	if *w = strings.Fields(s); len(*w) == 0 {
		f.Add(path, "must be words")
	}
}

func (w words) MarshalText() ([]byte, error) { return []byte(strings.Join(w, " ")), nil }

// decode returns the recipe in a text, and its faults.
func decode(t testing.TB, text string) (r recipe, faults []string) {
	t.Helper()
	var f strict.Faults
	if tree, ok := strict.Read([]byte(text), 1<<10, &f); ok {
		strict.Decode("", tree, &r, &f)
	}
	err := f.Err()
	if err == nil {
		return r, nil
	}
	e, ok := errors.AsType[*strict.Error](err)
	if !ok || len(e.Faults) == 0 {
		t.Fatalf("Err() = %v (%T), want a *strict.Error with faults", err, err)
	}
	for _, fault := range e.Faults {
		faults = append(faults, fault.String())
	}
	return r, faults
}

func TestDecode(t *testing.T) {
	got, faults := decode(t, `{"title": "Soup", "yield": 12, "steps": -3, "form": 1, "vegan": true, "spicy": false, "tags": ["a", "b"],
		"parts": [{"name": "x"}, {}], "prices": {"eur": 3}, "course": "main", "wine": null, "oven": {}, "notes": "salt it", "rest": "90m"}`)
	if faults != nil {
		t.Fatalf("faults = %q, want none", faults)
	}
	no := false
	want := recipe{Title: "Soup", Yield: 12, Steps: -3, Form: 1, Vegan: true, Spicy: &no, Tags: []string{"a", "b"}, Parts: []part{{"x"}, {}},
		Prices: map[string]int{"eur": 3}, Course: "main", Oven: &oven{}, Notes: words{"salt", "it"}, timing: timing{strict.Lifetime(90 * time.Minute)}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Decode = %+v, want %+v", got, want)
	}
}

func TestAbsentDiffersFromEmpty(t *testing.T) {
	absent, _ := decode(t, `{}`)
	if absent.Tags != nil || absent.Prices != nil || absent.Oven != nil || absent.Spicy != nil {
		t.Errorf("absent members = %+v, want nil", absent)
	}
	empty, faults := decode(t, `{"tags": [], "prices": {}}`)
	if faults != nil || empty.Tags == nil || empty.Prices == nil {
		t.Errorf("empty members = %+v, %q, want empty and not nil", empty, faults)
	}
	wrong, _ := decode(t, `{"tags": {}, "oven": [], "spicy": 1}`)
	if wrong.Tags != nil || wrong.Oven != nil || wrong.Spicy != nil {
		t.Errorf("members of another kind = %+v, want nil", wrong)
	}
}

func TestFaults(t *testing.T) {
	const rest = `rest: must be minutes, hours or days as in "30m", "12h" or "7d", from 5m to 7d`
	tests := []struct {
		text string
		want []string
	}{
		// The text.
		{``, []string{`the document is empty`}},
		{" \n", []string{`the document is empty`}},
		{"\xef\xbb\xbf{}", []string{`starts with a byte order mark; save it as UTF-8 without one`}},
		{"{\"\xff\": 1}", []string{`not UTF-8`}},
		{"{\n  \"title\": 1,\n}", []string{`not JSON: line 3, column 1: invalid character '}' looking for beginning of object key string`}},
		{`{`, []string{`not JSON: line 1, column 1: unexpected end of JSON input`}},
		{`{} {}`, []string{`not JSON: line 1, column 4: invalid character '{' after top-level value`}},
		{strings.Repeat(`[`, 100) + strings.Repeat(`]`, 100), []string{`nested deeper than 16 levels`}},
		{`{"title": "", "title": 1, "tags": ` + strings.Repeat(`[`, 100) + strings.Repeat(`]`, 100) + `}`, []string{`nested deeper than 16 levels`}},
		{strings.Repeat(" ", 1<<10) + `{}`, []string{`2 KB; at most 1 KB; write arrays on one line`}},

		// Names.
		{`{"Title": "a", "a b": 1, "": 2, "Local": 3, "-": 4, "Hidden": 5, "timing": {}}`, []string{
			`Title: unknown; known are title, yield, steps, form, vegan, spicy, tags, parts, prices, course, wine, oven, notes, rest`,
			`["a b"]: unknown; known are title, yield, steps, form, vegan, spicy, tags, parts, prices, course, wine, oven, notes, rest`,
			`[""]: unknown; known are title, yield, steps, form, vegan, spicy, tags, parts, prices, course, wine, oven, notes, rest`,
			`Local: unknown; known are title, yield, steps, form, vegan, spicy, tags, parts, prices, course, wine, oven, notes, rest`,
			`-: unknown; known are title, yield, steps, form, vegan, spicy, tags, parts, prices, course, wine, oven, notes, rest`,
			`Hidden: unknown; known are title, yield, steps, form, vegan, spicy, tags, parts, prices, course, wine, oven, notes, rest`,
			`timing: unknown; known are title, yield, steps, form, vegan, spicy, tags, parts, prices, course, wine, oven, notes, rest`}},
		{`{"title": "a", "prices": {"x": 1, "x": 2}, "title": "b"}`, []string{`title: occurs more than once`, `prices.x: occurs more than once`}},
		{`{"title": "a", "\u0074itle": "b"}`, []string{`title: occurs more than once`}},
		{`{"oven": {"gas": 1, "` + strings.Repeat("g", 65) + `": 2}}`, []string{
			`oven.gas: unknown; known are degrees`, `oven["` + strings.Repeat("g", 64) + `..."]: unknown; known are degrees`}},

		// Kinds.
		{`[]`, []string{`must be an object, not an array`}},
		{`null`, []string{`must be an object, not null`}},
		{`{"title": 1, "vegan": "yes", "spicy": null, "steps": "3", "oven": true, "prices": [], "tags": "a"}`, []string{
			`title: must be a string, not a number`, `vegan: must be true or false, not a string`, `spicy: must be true or false, not null`,
			`steps: must be an integer, not a string`, `oven: must be an object, not a boolean`, `prices: must be an object, not an array`,
			`tags: must be an array of strings, not a string`}},
		{`{"tags": ["a", 1, "", "a", null], "parts": [{"name": {}}, "b"]}`, []string{
			`tags[1]: must be a string, not a number`, `tags[2]: must not be empty`, `tags[3]: "a" is listed twice`, `tags[4]: must be a string, not null`,
			`parts[0].name: must be a string, not an object`, `parts[1]: must be an object, not a string`}},
		{`{"parts": []}`, []string{`parts: must be an array of parts, and not empty`}},
		{`{"parts": {}, "wine": ""}`, []string{`parts: must be an array of parts, and not empty`, `wine: must be a wine; leave it out for water`}},
		{`{"parts": null, "wine": 1, "notes": 5}`, []string{
			`parts: must be an array of parts, and not empty`, `wine: must be a wine; leave it out for water`, `notes: must be words`}},

		// Numbers, choices and lifetimes.
		{`{"yield": 0}`, []string{`yield: must be an integer from 1 to 12; leave it out for four`}},
		{`{"yield": 13, "form": 2, "oven": {"degrees": -6}}`, []string{
			`yield: must be an integer from 1 to 12; leave it out for four`, `form: must be 1`, `oven.degrees: must be an integer from -5 to 300`}},
		{`{"yield": 1.0, "form": "1", "steps": 99999999999999999999}`, []string{
			`yield: must be an integer from 1 to 12; leave it out for four`, `form: must be 1`, `steps: must be an integer, not a number`}},
		{`{"course": "Main"}`, []string{`course: must be starter or main`}},
		{`{"course": ""}`, []string{`course: must be starter or main`}},
		{`{"rest": "4m"}`, []string{rest}},
		{`{"rest": "8d"}`, []string{rest}},
		{`{"rest": 300}`, []string{rest}},
		{`{"rest": ""}`, []string{rest}},
		{`{"rest": null}`, []string{rest}},
		{`{"rest": "5m"}`, nil},
		{`{"rest": "168h"}`, nil},

		// The order is that of the document.
		{`{"rest": "1m", "oven": {"degrees": 301}, "unknown": 1, "title": 2}`, []string{rest, `oven.degrees: must be an integer from -5 to 300`,
			`unknown: unknown; known are title, yield, steps, form, vegan, spicy, tags, parts, prices, course, wine, oven, notes, rest`,
			`title: must be a string, not a number`}},
	}
	for _, tt := range tests {
		if _, got := decode(t, tt.text); !slices.Equal(got, tt.want) {
			t.Errorf("%.200s\nfaults:\n%s\nwant:\n%s", tt.text, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
		}
	}
}

func TestWithinAndAt(t *testing.T) {
	var f strict.Faults
	f.Add("profiles.open.https[2]", "x")
	for path, want := range map[string][2]bool{ // within, at
		"profiles.open.https[2]": {true, true}, "profiles.open.https": {true, false}, "profiles.open": {true, false}, "profiles": {true, false},
		"profiles.open.https[1]": {false, false}, "profiles.op": {false, false}, "": {false, false}, "profiles.open.http": {false, false},
	} {
		if got := [2]bool{f.Within(path), f.At(path)}; got != want {
			t.Errorf("Within and At of %q = %t, want %t", path, got, want)
		}
	}
	f.Add("profiles", "y")
	f.Add("profiles.open", "z")
	if !f.At("profiles") || !f.At("profiles.open.https[2]") {
		t.Error("a fault is forgotten after another one")
	}
}

func TestManyFaultsAreCounted(t *testing.T) {
	var f strict.Faults
	if f.Err() != nil {
		t.Errorf("Err() of no fault = %v, want nil", f.Err())
	}
	for i := range 1500 {
		f.Add(strict.Index("a", i), "x")
	}
	lines := strings.Split(f.Err().Error(), "\n")
	if n := len(lines); n != 1001 || lines[n-1] != "500 more faults are not listed" || !f.Within("a[1499]") {
		t.Errorf("%d lines, the last one %q, want 1001 with the number of the others", n, lines[n-1])
	}
}

func TestParseLifetime(t *testing.T) {
	const day = 24 * time.Hour
	for s, want := range map[string]time.Duration{
		"1m": time.Minute, "90m": 90 * time.Minute, "12h": 12 * time.Hour, "7d": 7 * day, "3650d": 3650 * day, "5256000m": 3650 * day,
		"": 0, "m": 0, "0m": 0, "07d": 0, "-1d": 0, "1": 0, "1s": 0, "1h30m": 0, "1.5h": 0, "1 d": 0, "1D": 0, "9999999d": 0, "99999999m": 0,
	} {
		got, ok := strict.ParseLifetime(s)
		if got != want || ok != (want > 0) {
			t.Errorf("ParseLifetime(%q) = %s, %t, want %s", s, got, ok, want)
		}
		if again, _ := strict.ParseLifetime(strict.Lifetime(got).String()); ok && again != got {
			t.Errorf("%s as text is %s", got, strict.Lifetime(got))
		}
	}
}

// FuzzDecode checks that any bytes give a value or faults of one line, and that
// an accepted value is accepted again after it was written as JSON.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{
		`{"title": "Soup", "yield": 12, "spicy": false, "tags": ["a"], "parts": [{}], "prices": {"eur": 3}, "course": "main", "wine": null, "oven": {}, "notes": "a", "rest": "90m"}`,
		`{"title": "a", "Title": null, "title": {"a.b[0]": [[]]}}`, `[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]`, "\xef\xbb\xbf{}", `{"yield": 1e0}`, `"\ud800"`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, faults := decode(t, text)
		for _, fault := range faults {
			if fault == "" || strings.Contains(fault, "\n") {
				t.Errorf("fault %q, want one line", fault)
			}
		}
		if faults != nil {
			return
		}
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		b = []byte(strings.Replace(string(b), `,"Local":""`, "", 1)) // not a member
		if again, faults := decode(t, string(b)); len(b) <= 1<<10 && (faults != nil || !reflect.DeepEqual(again, r)) {
			t.Errorf("%+v was written as %s, which is %+v with the faults %q", r, b, again, fmt.Sprint(faults))
		}
	})
}

func TestElementsThatAreAllowed(t *testing.T) {
	var f strict.Faults
	f.Add("list[1]", "must be a string, not a number")
	elements := f.Elements("list", []string{"a", "", "b", "c"})
	if want := []strict.Element{{Path: "list[0]", Value: "a"}, {Path: "list[2]", Value: "b"}, {Path: "list[3]", Value: "c"}}; !slices.Equal(elements, want) {
		t.Errorf("Elements = %q, want %q", elements, want)
	}
	if got, want := f.OneOf(elements, "a", "c"), []strict.Element{{Path: "list[0]", Value: "a"}, {Path: "list[3]", Value: "c"}}; !slices.Equal(got, want) {
		t.Errorf("OneOf = %q, want %q", got, want)
	}
	f.Want("name", "", "a name")
	f.Want("colour", "loud", "a colour")
	want := "list[1]: must be a string, not a number\nlist[2]: \"b\" is not one of a, c\nname: required: a name\ncolour: must be a colour"
	if got := f.Err().Error(); got != want {
		t.Errorf("faults:\n%s\nwant:\n%s", got, want)
	}
}

package pages

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// texts calls yield with every text of a value, and its path.
func texts(path string, v reflect.Value, yield func(path string, t string)) {
	switch v.Kind() {
	case reflect.String:
		yield(path, v.String())
	case reflect.Struct:
		for i := range v.NumField() {
			texts(path+"."+v.Type().Field(i).Name, v.Field(i), yield)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			texts(fmt.Sprintf("%s[%v]", path, k.Interface()), v.MapIndex(k), yield)
		}
	case reflect.Slice:
		for i := range v.Len() {
			texts(fmt.Sprintf("%s[%d]", path, i), v.Index(i), yield)
		}
	default:
		panic("messages have a " + v.Kind().String())
	}
}

var placeholder = regexp.MustCompile(`\{[a-z]*\}`)

func TestLanguagesAreComplete(t *testing.T) {
	want := make(map[string]string)
	texts("", reflect.ValueOf(english), func(path, s string) { want[path] = s })
	for _, m := range languages {
		got := make(map[string]string)
		texts("", reflect.ValueOf(*m), func(path, s string) { got[path] = s })
		for path, en := range want {
			s, ok := got[path]
			if !ok || strings.TrimSpace(s) == "" {
				t.Errorf("%s: %s is empty", m.Lang, path)
			}
			a, b := placeholder.FindAllString(s, -1), placeholder.FindAllString(en, -1)
			slices.Sort(a)
			slices.Sort(b)
			if !slices.Equal(a, b) {
				t.Errorf("%s: %s has the placeholders %v, want %v", m.Lang, path, a, b)
			}
		}
		for path := range got {
			if _, ok := want[path]; !ok {
				t.Errorf("%s: %s is not in English", m.Lang, path)
			}
		}
		if m.Dir != "ltr" && m.Dir != "rtl" {
			t.Errorf("%s: direction %q, want ltr or rtl", m.Lang, m.Dir)
		}
		for _, p := range Problems {
			if _, ok := m.Problem.Of[p]; !ok {
				t.Errorf("%s: no page for problem %d", m.Lang, p)
			}
		}
	}
}

func TestFirstAvailableLanguage(t *testing.T) {
	german := english
	german.Lang = "de"
	defer func(old []*messages) { languages = old }(languages)
	languages = []*messages{&english, &german}
	for _, tt := range []struct{ list, want string }{
		{"", "en"},
		{"de", "de"},
		{"fr de en", "de"},
		{"de-CH-1996", "de"},
		{"DE", "de"},
		{"fr-CA, en;q=0.8, de;q=0.5", "en"},
		{"*", "en"},
		{"-", "en"},
		{"tlh " + strings.Repeat("x ", 100) + "de", "en"}, // more than maxWanted
		{"\x00<script>", "en"},
	} {
		if got := messagesFor(tt.list).Lang; got != tt.want {
			t.Errorf("messagesFor(%q) = %s, want %s", tt.list, got, tt.want)
		}
	}
}

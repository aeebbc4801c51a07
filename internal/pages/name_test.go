package pages

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/dcr-broker/dcr-broker/pkg/broker/branding"
)

func TestNamesAreSanitized(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want safeText
	}{
		{"Claude", safeText{text: "Claude", length: 6}},
		{"", safeText{}},
		{"  My\t \nApp ", safeText{text: "My App", length: 11}},
		{"日本語アプリ for Notes", safeText{text: "日本語アプリ for Notes", length: 16}},
		{"Claudeアプリ", safeText{text: "Claudeアプリ", length: 9}},         // usual without a space between the scripts
		{"Заметки", safeText{text: "Заметки", length: 7}},             // a name in Russian is not suspicious
		{"Ελληνικά", safeText{text: "Ελληνικά", length: 8}},           // nor one in Greek
		{"متصفح", safeText{text: "متصفح", length: 5}},                 // nor one written from right to left
		{"⚡\ufe0f App", safeText{text: "⚡ App", length: 6}},           // an emoji and its variation selector
		{"Café", safeText{text: "Café", length: 4}},                   // one letter
		{"Cafe\u0301", safeText{text: "Cafe\u0301", length: 5}},       // the same with a combining mark
		{"ệ", safeText{text: "ệ", length: 1}},                         // Vietnamese
		{"e\u0302\u0323", safeText{text: "e\u0302\u0323", length: 3}}, // the same with combining marks

		// Text direction.
		{"\u202eedualC", safeText{text: "\uFFFDedualC", length: 7, hidden: true}},
		{"a\u2066b\u2069", safeText{text: "a\uFFFDb\uFFFD", length: 4, hidden: true}},
		{"a\u200fb\u061cc", safeText{text: "a\uFFFDb\uFFFDc", length: 5, hidden: true}},
		// Invisible characters.
		{"Clau\u200bde", safeText{text: "Clau\uFFFDde", length: 7, hidden: true}},
		{"Cl\u200b\u200c\u200d\u2060\ufeffaude", safeText{text: "Cl\uFFFDaude", length: 11, hidden: true}},
		{"a\u00adb", safeText{text: "a\uFFFDb", length: 3, hidden: true}},
		{"a\u3164b\u2800c\u115fd", safeText{text: "a\uFFFDb\uFFFDc\uFFFDd", length: 7, hidden: true}},
		{"a\U000E0041b", safeText{text: "a\uFFFDb", length: 3, hidden: true}}, // tag character
		{"a\ue000b\U0010FFFFc", safeText{text: "a\uFFFDb\uFFFDc", length: 5, hidden: true}},
		{"a\u2028b", safeText{text: "a\uFFFDb", length: 3, hidden: true}},
		{"a\x00\x1b[31mb", safeText{text: "a\uFFFD[31mb", length: 8, hidden: true}},
		{"a\xff\xfeb", safeText{text: "a\uFFFDb", length: 4, hidden: true}},
		{"\u200b\u2060 \u3164", safeText{length: 4, hidden: true}}, // no visible character
		// Too many combining marks.
		{"Z" + strings.Repeat("\u0335", 100) + "a", safeText{text: "Z\u0335\u0335a", length: 102, hidden: true}},
		{"\u0301a", safeText{text: "a", length: 2, hidden: true}},
		// Look-alikes.
		{"Сlaude", safeText{text: "Сlaude", length: 6, lookalike: true}}, // Cyrillic С
		{"Сор", safeText{text: "Сор", length: 3, lookalike: true}},       // all Cyrillic
		{"Gοοgle", safeText{text: "Gοοgle", length: 6, lookalike: true}}, // Greek ο
		{"𝐂𝐥𝐚𝐮𝐝𝐞", safeText{text: "𝐂𝐥𝐚𝐮𝐝𝐞", length: 6, lookalike: true}},
		{"Ｃｌａｕｄｅ", safeText{text: "Ｃｌａｕｄｅ", length: 6, lookalike: true}},
		{"ᴄʟᴀᴜᴅᴇ", safeText{text: "ᴄʟᴀᴜᴅᴇ", length: 6, lookalike: true}},
		// Length.
		{strings.Repeat("a", 64), safeText{text: strings.Repeat("a", 64), length: 64}},
		{strings.Repeat("a", 64) + "  ", safeText{text: strings.Repeat("a", 64), length: 66}},
		{strings.Repeat("a", 10_000), safeText{text: strings.Repeat("a", 64), length: 10_000, cut: true}},
		{strings.Repeat("a", 63) + " b", safeText{text: strings.Repeat("a", 63), length: 65, cut: true}},
		{strings.Repeat("\u200b", 10_000) + "a", safeText{text: "\uFFFDa", length: 10_001, hidden: true}},
	} {
		if got := visible(tt.in, maxName); got != tt.want {
			t.Errorf("visible(%+q) = %+q %+v, want %+q %+v", tt.in, got.text, got, tt.want.text, tt.want)
		}
	}
}

func FuzzVisible(f *testing.F) {
	for _, s := range []string{"Claude", "\u202eedualC", strings.Repeat("Z\u0335\u0336\u0337", 50), "a \u200b b", "\xff\xfe", "e\ufe0f\u20e3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v := visible(s, maxName)
		if !utf8.ValidString(v.text) {
			t.Fatalf("visible(%+q) = %+q: not UTF-8", s, v.text)
		}
		if n := utf8.RuneCountInString(v.text); n > 3*maxName {
			t.Fatalf("visible(%+q) has %d characters", s, n)
		}
		for _, r := range v.text {
			if r != utf8.RuneError && branding.IsHidden(r) || unicode.Is(unicode.Cf, r) {
				t.Fatalf("visible(%+q) shows %U", s, r)
			}
		}
		if again := visible(v.text, 3*maxName); again.text != v.text {
			t.Fatalf("visible(%+q) = %+q, visible of that = %+q", s, v.text, again.text)
		}
	})
}

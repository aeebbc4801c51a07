package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Clients choose their names, and a name must not control a terminal.
func TestPlain(t *testing.T) {
	for _, tt := range []struct{ s, want string }{
		{"Claude Code", "Claude Code"},
		{"Café 茶 👍", "Café 茶 👍"},
		{"a\x1b[2Jb", `a\x1b[2Jb`},
		{"a\nb\tc", `a\nb\tc`},
		{"a\u009b2Jb", `a\u009b2Jb`},         // CSI in one character
		{"a\u202egnp.exe", `a\u202egnp.exe`}, // reverses the rest of the line
		{"a\u200bb", `a\u200bb`},             // is invisible
		{"a\u00a0b", `a\u00a0b`},
		{"a\xffb", "a\ufffdb"},
	} {
		if got := plain(tt.s); got != tt.want {
			t.Errorf("plain(%q) = %q, want %q", tt.s, got, tt.want)
		}
	}
	if got := lines("a\nb\x1b"); got != "a\nb\\x1b" {
		t.Errorf("lines = %q, want the line end unchanged", got)
	}
}

func TestJSONIsPlainAndDecodesToTheSame(t *testing.T) {
	var out strings.Builder
	op := &operator{out: &out}
	const name = "a\u202e\u009b\U000e0041é<&\x1b"
	if err := op.writeJSON([]string{name}); err != nil {
		t.Fatal(err)
	}
	if got := strings.ReplaceAll(out.String(), "\n", ""); plain(got) != got {
		t.Errorf("%q is not plain", got)
	}
	var back []string
	if err := json.Unmarshal([]byte(out.String()), &back); err != nil || back[0] != name {
		t.Errorf("%s reads as %q, %v, want %q", out.String(), back, err, name)
	}
}

func TestClipAndFold(t *testing.T) {
	if got := clip("äöüäöü", 6); got != "äöüäöü" {
		t.Errorf("clip = %q, want it whole", got)
	}
	if got := clip("äöüäöüä", 6); got != "äöü..." {
		t.Errorf("clip = %q, want six characters", got)
	}
	want := []string{"short", "one two", "  three", "  four"}
	if got := fold("short\none two three four", 9); !slices.Equal(got, want) {
		t.Errorf("fold = %q, want %q", got, want)
	}
}

// A count that is not 0 has a visible bar, and no bar is longer than barWidth.
func TestBarLength(t *testing.T) {
	for _, tt := range []struct{ n, of, want int }{
		{0, 10, 0}, {1, 1000, 1}, {5, 10, barWidth / 2}, {10, 10, barWidth}, {20, 10, barWidth}, {1, 0, 0},
	} {
		if got := barLength(tt.n, tt.of); got != tt.want {
			t.Errorf("barLength(%d, %d) = %d, want %d", tt.n, tt.of, got, tt.want)
		}
	}
}

func TestProgressIsOneLineThatIsRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		p := &progress{w: &out}
		p.end() // there is no line to remove
		p.updatef("%d of 2\x1b", 1)
		p.updatef("too soon")
		time.Sleep(time.Second)
		p.updatef("2 of 2")
		p.end()
		const want = "\r\x1b[K1 of 2\\x1b\r\x1b[K2 of 2\r\x1b[K"
		if out.String() != want {
			t.Errorf("wrote %q, want %q", out.String(), want)
		}
	})
	var noTerminal progress
	noTerminal.updatef("not written")
	noTerminal.end()
}

func TestParseEnv(t *testing.T) {
	for _, tt := range []struct{ body, name, want string }{
		{"A=b=c\n", "A", "b=c"},
		{"  export A='b c'\n", "A", "b c"},
		{"A=\"b\nB=c", "A", "\"b"}, // no closing quote
		{`{"A": "b"}`, "A", "b"},
		{"A=\n", "A", ""},
	} {
		got, err := parseEnv([]byte(tt.body))
		if err != nil || got[tt.name] != tt.want {
			t.Errorf("parseEnv(%q) = %q, %v, want %s to be %q", tt.body, got, err, tt.name, tt.want)
		}
	}
	for _, bad := range []string{"A", "=b", "A B=c", `{"A": 1}`, "{"} {
		if got, err := parseEnv([]byte(bad)); err == nil {
			t.Errorf("parseEnv(%q) = %q, want an error", bad, got)
		}
	}
}

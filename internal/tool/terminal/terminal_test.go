package terminal

import (
	"io"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestWrap(t *testing.T) {
	for _, tt := range []struct {
		s     string
		width int
		want  []string
	}{
		{"", 10, []string{""}},
		{"one two three", 7, []string{"one two", "three"}},
		{"http://localhost:8080/register", 10, []string{"http://localhost:8080/register"}}, // a broken URL is not a link
		{"ein Österreicher", 16, []string{"ein Österreicher"}},
		{"two\nlines", 80, []string{"two", "lines"}},
	} {
		if got := Wrap(tt.s, tt.width); !slices.Equal(got, tt.want) {
			t.Errorf("Wrap(%q, %d) = %q, want %q", tt.s, tt.width, got, tt.want)
		}
	}
}

func TestColoured(t *testing.T) {
	file, err := os.Create(t.TempDir() + "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	// A character device, but not a terminal.
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudo-terminal: %v", err)
	}
	defer terminal.Close()
	for _, tt := range []struct {
		name                 string
		w                    io.Writer
		term, noColor, force string
		want                 bool
	}{
		{"a terminal", terminal, "xterm", "", "", true},
		{"the null device", null, "xterm", "", "", false},
		{"a file", file, "xterm", "", "", false},
		{"a buffer", new(strings.Builder), "xterm", "", "", false},
		{"a dumb terminal", terminal, "dumb", "", "", false},
		{"NO_COLOR", terminal, "xterm", "1", "", false},
		{"a file, forced", file, "", "", "1", true},
		{"a file, not forced", file, "", "", "0", false},
		{"forced, and NO_COLOR", file, "", "1", "1", false},
	} {
		t.Setenv("TERM", tt.term)
		t.Setenv("NO_COLOR", tt.noColor)
		t.Setenv("CLICOLOR_FORCE", tt.force)
		if got := Coloured(tt.w); got != tt.want {
			t.Errorf("%s: Coloured = %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestPaint(t *testing.T) {
	if got := Paint(false, Red, "no"); got != "no" {
		t.Errorf("Paint = %q, want no colour", got)
	}
	if got := Paint(true, Red, "no"); got != "\x1b[31mno\x1b[0m" {
		t.Errorf("Paint = %q, want it red", got)
	}
}

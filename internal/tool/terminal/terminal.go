// Package terminal is a tool: it decides whether a command line writes colours
// to its output, and breaks lines. It leaves out the width of the terminal.
package terminal

import (
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// Colour is the colour or weight of a text (ECMA-48, SGR).
type Colour string

const (
	Bold   Colour = "1"
	Faint  Colour = "2"
	Red    Colour = "31"
	Green  Colour = "32"
	Yellow Colour = "33"
)

// Paint returns s in the colour if colours are wanted, else s.
func Paint(wanted bool, c Colour, s string) string {
	if !wanted || s == "" {
		return s
	}
	return "\x1b[" + string(c) + "m" + s + "\x1b[0m"
}

// Coloured reports whether to write colours to w: NO_COLOR is not set, and w is
// a terminal that is not dumb, or CLICOLOR_FORCE is set (no-color.org,
// bixense.com/clicolors).
func Coloured(w io.Writer) bool {
	if os.Getenv("NO_COLOR") != "" {
		return false
	}
	if force := os.Getenv("CLICOLOR_FORCE"); force != "" && force != "0" {
		return true
	}
	return Is(w) && os.Getenv("TERM") != "dumb"
}

// Is reports whether w is a terminal.
func Is(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Wrap breaks s at spaces and line ends into parts of at most width characters.
// A longer word, such as a URL, is not broken.
func Wrap(s string, width int) []string {
	var parts []string
	for line := range strings.SplitSeq(s, "\n") {
		part := ""
		for word := range strings.FieldsSeq(line) {
			if part != "" && utf8.RuneCountInString(part)+1+utf8.RuneCountInString(word) > width {
				parts = append(parts, part)
				part = ""
			}
			part = strings.TrimLeft(part+" "+word, " ")
		}
		parts = append(parts, part)
	}
	return parts
}

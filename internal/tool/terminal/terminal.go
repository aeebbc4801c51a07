// Package terminal is what the command lines know of the terminal that they
// write to: whether it wants colours, and how to break lines for it.
package terminal

import (
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

// Colour is how a text stands out (ECMA-48, SGR).
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

// Coloured reports whether colours are to be written to w: it is a terminal that
// is not dumb, or CLICOLOR_FORCE is set, as for what shows the output of a
// program elsewhere; and NO_COLOR is not set, which comes before all else
// (no-color.org, bixense.com/clicolors).
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
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// Wrap breaks s at spaces and line ends into parts of at most width characters.
// A word that is longer, such as a URL, stays whole.
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

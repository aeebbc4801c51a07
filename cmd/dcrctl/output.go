package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/dcr-broker/dcr-broker/internal/tool/terminal"
)

// A column of a table.
type column[T any] struct {
	name  string
	value func(T) string
}

// emit writes rows: as a JSON array, or as a table. Of an empty table nothing
// is written but none, which says so, to standard error.
func emit[T any](op *operator, rows []T, none string, columns []column[T]) error {
	if op.json {
		if rows == nil {
			rows = []T{}
		}
		return op.writeJSON(rows)
	}
	if len(rows) == 0 {
		op.note("%s", none)
		return nil
	}
	cells := make([][]string, len(rows)+1)
	for n, c := range columns {
		most := maxCell
		if n == len(columns)-1 {
			most = 2 * maxCell // nothing comes after it
		}
		cells[0] = append(cells[0], c.name)
		for i, r := range rows {
			cells[i+1] = append(cells[i+1], clip(plain(c.value(r)), most))
		}
	}
	return writeTable(op.out, cells, terminal.Coloured(op.out))
}

// writeTable writes cells in columns, the first row as their heads.
func writeTable(w io.Writer, cells [][]string, coloured bool) error {
	widths := make([]int, len(cells[0]))
	for _, row := range cells {
		for i, c := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	for n, row := range cells {
		var line strings.Builder
		for i, c := range row {
			line.WriteString(c)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", widths[i]+2-utf8.RuneCountInString(c)))
			}
		}
		text := strings.TrimRight(line.String(), " ")
		if n == 0 {
			text = terminal.Paint(coloured, terminal.Bold, text)
		}
		if _, err := fmt.Fprintln(w, text); err != nil {
			return err
		}
	}
	return nil
}

// A field of a thing that is shown by itself.
type field struct{ name, value string }

// show writes one thing: as a JSON array with it, or as lines of name and value.
// Fields without value are left out.
func show(op *operator, row any, fields []field) error {
	if op.json {
		return op.writeJSON([]any{row})
	}
	width := 0
	for _, f := range fields {
		if f.value != "" {
			width = max(width, utf8.RuneCountInString(f.name))
		}
	}
	coloured := terminal.Coloured(op.out)
	for _, f := range fields {
		if f.value == "" {
			continue
		}
		head := terminal.Paint(coloured, terminal.Bold, f.name) + strings.Repeat(" ", width+2-utf8.RuneCountInString(f.name))
		for i, part := range folded(lines(f.value), maxLine-width-2) {
			if i > 0 {
				head = strings.Repeat(" ", width+2)
			}
			if _, err := fmt.Fprintln(op.out, head+part); err != nil {
				return err
			}
		}
	}
	return nil
}

// maxLine is how many columns a line of a thing that is shown by itself has, if
// it can be broken.
const maxLine = 110

// folded are the lines of s, with those that are too long broken at spaces. A
// line that is broken goes on two columns to the right.
func folded(s string, width int) []string {
	var all []string
	for line := range strings.SplitSeq(s, "\n") {
		if utf8.RuneCountInString(line) <= width {
			all = append(all, line)
			continue
		}
		for i, part := range terminal.Wrap(line, width-2) {
			if i > 0 {
				part = "  " + part
			}
			all = append(all, part)
		}
	}
	return all
}

// writeJSON writes v, in which what a terminal might not print as it is, is
// escaped: JSON is read by people, too.
func (op *operator) writeJSON(v any) error {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	var b strings.Builder
	for _, r := range text.String() {
		switch {
		case r == '\n' || unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	_, err := io.WriteString(op.out, b.String())
	return err
}

// maxCell is how many characters a cell of a table has at most, the last one of a
// row twice as many. What is longer
// is in JSON, and where a thing is shown by itself.
const maxCell = 48

// clip cuts s, so that it has at most n characters.
func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-3]) + "..."
}

// plain is s without what could make a terminal do anything but write: clients
// choose their names. What is not printable, and what changes the direction of
// text, is escaped as in a string of Go.
func plain(s string) string {
	var b strings.Builder
	for _, r := range s {
		// A byte that is not UTF-8 comes as utf8.RuneError, which is printable.
		if r == ' ' || unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		q := strconv.QuoteRuneToASCII(r)
		b.WriteString(q[1 : len(q)-1])
	}
	return b.String()
}

// lines is plain but for line ends, which stay.
func lines(s string) string {
	parts := strings.Split(s, "\n")
	for i, p := range parts {
		parts[i] = plain(p)
	}
	return strings.Join(parts, "\n")
}

// stamp is a time for people, in UTC.
func stamp(t time.Time, zero string) string {
	if t.IsZero() {
		return zero
	}
	return t.UTC().Format(time.DateTime)
}

// person is who somebody is, without what an ARN has before the name.
func person(by string) string { return by[strings.LastIndexByte(by, '/')+1:] }

// plural is a number with its noun.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

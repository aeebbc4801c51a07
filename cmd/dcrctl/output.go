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

// emit writes rows as a JSON array or as a table. For an empty table it writes
// the sentence none to standard error.
func emit[T any](op *operator, rows []T, none string, columns []column[T]) error {
	if op.json {
		if rows == nil {
			rows = []T{}
		}
		return op.writeJSON(rows)
	}
	if len(rows) == 0 {
		op.infof("%s", none)
		return nil
	}
	cells := make([][]string, len(rows)+1)
	for n, c := range columns {
		most := maxCell
		if n == len(columns)-1 {
			most = 2 * maxCell // no column follows
		}
		cells[0] = append(cells[0], c.name)
		for i, r := range rows {
			cells[i+1] = append(cells[i+1], clip(plain(c.value(r)), most))
		}
	}
	return writeTable(op.out, cells, terminal.Coloured(op.out))
}

// writeTable writes cells in columns. The first row is the header.
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

// A field is a line of the output of show.
type field struct{ name, value string }

// show writes a single row: as a JSON array with that one element, or as lines of
// name and value. Fields without a value are left out.
func show(op *operator, row any, fields []field) error {
	if op.json {
		return op.writeJSON([]any{row})
	}
	return writeFields(op.out, fields)
}

// writeFields writes the lines of show.
func writeFields(w io.Writer, fields []field) error {
	width := 0
	for _, f := range fields {
		if f.value != "" {
			width = max(width, utf8.RuneCountInString(f.name))
		}
	}
	coloured := terminal.Coloured(w)
	for _, f := range fields {
		if f.value == "" {
			continue
		}
		head := terminal.Paint(coloured, terminal.Bold, f.name) + strings.Repeat(" ", width+2-utf8.RuneCountInString(f.name))
		for i, part := range fold(lines(f.value), maxLine-width-2) {
			if i > 0 {
				head = strings.Repeat(" ", width+2)
			}
			if _, err := fmt.Fprintln(w, head+part); err != nil {
				return err
			}
		}
	}
	return nil
}

// maxLine is the maximum length of a line that show writes, in columns, if the
// line can be broken.
const maxLine = 110

// fold returns the lines of s and breaks those that are too long at spaces. The
// continuation of a broken line is indented by two columns.
func fold(s string, width int) []string {
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

// writeJSON writes v as JSON. It escapes every character that is not printable,
// because operators read JSON in a terminal, too.
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

// maxCell is the maximum number of characters in a cell of a table; the last cell
// of a row may have twice as many. JSON and show have the whole value.
const maxCell = 48

// clip shortens s to at most n characters.
func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-3]) + "..."
}

// plain returns s with every character escaped, as in a Go string, that is not
// printable or that changes the direction of text. Clients choose their names,
// and a name must not control the operator's terminal.
func plain(s string) string {
	var b strings.Builder
	for _, r := range s {
		// A byte that is not UTF-8 becomes utf8.RuneError, which is printable.
		if r == ' ' || unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		q := strconv.QuoteRuneToASCII(r)
		b.WriteString(q[1 : len(q)-1])
	}
	return b.String()
}

// lines is plain, but it does not change line ends.
func lines(s string) string {
	parts := strings.Split(s, "\n")
	for i, p := range parts {
		parts[i] = plain(p)
	}
	return strings.Join(parts, "\n")
}

// stamp formats t in UTC, or returns zero if t is the zero time.
func stamp(t time.Time, zero string) string {
	if t.IsZero() {
		return zero
	}
	return t.UTC().Format(time.DateTime)
}

// shortName returns the name at the end of an ARN, or the whole name if it is
// not an ARN.
func shortName(by string) string { return by[strings.LastIndexByte(by, '/')+1:] }

// plural returns n with its noun.
func plural(n int, one, many string) string {
	return strconv.Itoa(n) + " " + number(n, one, many)
}

// number returns the words that agree with n things.
func number(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

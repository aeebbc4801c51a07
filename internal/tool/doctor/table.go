package doctor

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/dcr-broker/dcr-broker/internal/tool/terminal"
)

// Table writes checks as text, step by step, as they come. Lines have at most
// 110 columns; only a word that cannot be broken, such as a URL, is longer.
// Write errors are ignored.
type Table struct {
	w        io.Writer
	coloured bool
	stages   map[string]string
	stage    string
	skipped  []Check // not written yet
	counts   map[Status]int
}

// NewTable returns a table that writes to w.
func NewTable(w io.Writer, coloured bool) *Table {
	t := &Table{w: w, coloured: coloured, stages: make(map[string]string), counts: make(map[Status]int)}
	for _, def := range catalogue {
		t.stages[def.ID] = def.Stage
	}
	return t
}

const (
	columns   = 110
	statusEnd = len("  warning  ")
	idEnd     = statusEnd + len("resource.authorization-servers  ")
)

var colours = map[Status]terminal.Colour{Pass: terminal.Green, Warning: terminal.Yellow, Fail: terminal.Red, Skip: terminal.Faint}

// Check writes one check. Consecutive checks that were skipped for the same
// reason are held back and written as one.
func (t *Table) Check(c Check) {
	t.counts[c.Status]++
	if len(t.skipped) > 0 && (c.Status != Skip || c.Detail != t.skipped[0].Detail || t.stages[c.ID] != t.stage) {
		t.flush()
	}
	if stage := t.stages[c.ID]; stage != t.stage {
		if t.stage != "" {
			fmt.Fprintln(t.w)
		}
		t.stage = stage
		fmt.Fprintln(t.w, terminal.Paint(t.coloured, terminal.Bold, stage))
	}
	if c.Status == Skip {
		t.skipped = append(t.skipped, c)
		return
	}
	t.row(c)
}

// flush writes the skipped checks that were held back.
func (t *Table) flush() {
	if len(t.skipped) == 0 {
		return
	}
	c := t.skipped[0]
	if n := len(t.skipped); n > 2 {
		c.Section = fmt.Sprintf("and %d more, to %s", n-1, t.skipped[n-1].ID)
		t.row(c)
	} else {
		for _, c := range t.skipped {
			t.row(c)
		}
	}
	t.skipped = nil
}

// row writes the check: its detail, the clients that break and the section. The
// section goes on the last line if there is room.
func (t *Table) row(c Check) {
	head := "  " + terminal.Paint(t.coloured, colours[c.Status], fmt.Sprintf("%-*s", statusEnd-4, c.Status)) + "  " + fmt.Sprintf("%-*s", idEnd-statusEnd, c.ID)
	margin := strings.Repeat(" ", idEnd)
	lines := terminal.Wrap(c.Detail, columns-idEnd)
	if len(c.Clients) > 0 && t.stages[c.ID] != string(stageClients) { // the id of such a check names the client
		lines = append(lines, terminal.Wrap("breaks: "+words(c.Clients), columns-idEnd)...)
	}
	section := "(" + c.Section + ")"
	last := &lines[len(lines)-1]
	if utf8.RuneCountInString(*last)+2+len(section) <= columns-idEnd {
		*last += "  " + terminal.Paint(t.coloured, terminal.Faint, section)
	} else {
		lines = append(lines, terminal.Paint(t.coloured, terminal.Faint, section))
	}
	for _, line := range lines {
		fmt.Fprintln(t.w, head+line)
		head = margin
	}
}

// End writes the checks that were held back, and the number of each status.
func (t *Table) End() {
	t.flush()
	warnings := "warnings"
	if t.counts[Warning] == 1 {
		warnings = "warning"
	}
	fmt.Fprintf(t.w, "\n%d passed, %d %s, %d failed, %d skipped\n", t.counts[Pass], t.counts[Warning], warnings, t.counts[Fail], t.counts[Skip])
}

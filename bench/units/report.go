package units

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/test/meter"
)

// The prices of a million units in US dollars, on demand in us-east-1
// (docs/costs.md).
const (
	writePrice = 0.625
	readPrice  = 0.125
)

// price returns what a million times this cost is charged at.
func price(c meter.Cost) float64 { return c.Write*writePrice + c.Read*readPrice }

// report has the costs of one run.
type report struct {
	now    []row
	before []row  // nil without an older build
	commit string // of before
}

// markdown returns the table.
func (r *report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Price: US dollars for a million times the flow, on demand in us-east-1: $%g for a million write units, $%g for a million read units.\n", writePrice, readPrice)
	if r.before == nil {
		b.WriteString("\n| flow | calls | write units | read units | price |\n|---|--:|--:|--:|--:|\n")
		for _, f := range r.now {
			fmt.Fprintf(&b, "| %s | %d | %g | %g | %g |\n", f.flow, f.cost.Calls, f.cost.Write, f.cost.Read, price(f.cost))
		}
		return b.String()
	}
	fmt.Fprintf(&b, "The build before is that of commit %s. Numbers that are higher now are bold.\n\n", r.commit)
	b.WriteString("| flow | calls, before | now | write units, before | now | read units, before | now | price, before → now | |\n" +
		"|---|--:|--:|--:|--:|--:|--:|--:|---|\n")
	dearer, busier := 0, 0
	for _, f := range r.now {
		old, now := cost(r.before, f.flow), f.cost
		verdict := ""
		if price(now) > price(old) {
			verdict = "**costs more**"
			dearer++
		}
		if now.Calls > old.Calls {
			busier++
		}
		fmt.Fprintf(&b, "| %s | %d | %s | %g | %s | %g | %s | %g → %g | %s |\n", f.flow,
			old.Calls, marked(float64(old.Calls), float64(now.Calls)), old.Write, marked(old.Write, now.Write), old.Read, marked(old.Read, now.Read),
			price(old), price(now), verdict)
	}
	fmt.Fprintf(&b, "\nOf %d flows, %d cost more than before, and %d make more calls.\n", len(r.now), dearer, busier)
	return b.String()
}

// cost returns the cost of a flow. Both builds run the same flows.
func cost(rows []row, flow string) meter.Cost {
	return rows[slices.IndexFunc(rows, func(r row) bool { return r.flow == flow })].cost
}

// marked formats now, bold if it is higher than before.
func marked(before, now float64) string {
	if now > before {
		return fmt.Sprintf("**%g**", now)
	}
	return fmt.Sprintf("%g", now)
}

// The command replaces the text between these lines of the document.
const (
	begin = "<!-- go run ./bench units writes what follows -->\n"
	end   = "<!-- go run ./bench units wrote what precedes -->\n"
)

func replaceTable(doc []byte, table string) ([]byte, error) {
	head, rest, ok := bytes.Cut(doc, []byte(begin))
	_, tail, ok2 := bytes.Cut(rest, []byte(end))
	if !ok || !ok2 {
		return nil, errors.New("the lines between which the table belongs are missing")
	}
	return slices.Concat(head, []byte(begin+"\n"+table+"\n"+end), tail), nil
}

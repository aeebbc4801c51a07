package doctor

import (
	"strings"
	"testing"
)

func TestTheSummaryAgreesInNumber(t *testing.T) {
	for n, want := range map[int]string{0: "0 passed, 0 warnings, 0 failed, 0 skipped", 1: "0 passed, 1 warning, 0 failed, 0 skipped", 2: "0 passed, 2 warnings, 0 failed, 0 skipped"} {
		var text strings.Builder
		table := NewTable(&text, false)
		for range n {
			table.Check(Check{ID: serverIss.ID, Status: Warning})
		}
		table.End()
		if got := text.String(); !strings.HasSuffix(got, "\n"+want+"\n") {
			t.Errorf("with %d warnings the table ends in %q, want %q", n, got, want)
		}
	}
}

package doctor

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/tool/devstack"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

var update = flag.Bool("update", false, "write testdata and the generated parts of docs/doctor.md")

// canonical replaces the addresses and ids of the test with those of a
// deployment.
func canonical(s *devstack.Stack, checks []Check) []Check {
	names := strings.NewReplacer(
		s.MCP, "https://mcp.example.com/mcp", strings.TrimSuffix(s.MCP, "/mcp"), "https://mcp.example.com",
		s.Issuer, "https://auth.example.com", s.Cognito, "https://cognito.example.com", "local00001", "EXAMPLE", "this machine", "https",
	)
	ids := regexp.MustCompile(`dcr_[a-z2-7]{26}|[0-9a-z]{26}`)
	lifetime := regexp.MustCompile(`"35\d\d"`) // a few seconds of the hour may have passed
	list := make([]Check, len(checks))
	for i, c := range checks {
		c.Detail = ids.ReplaceAllString(names.Replace(c.Detail), "dcr_example")
		c.Detail = lifetime.ReplaceAllString(c.Detail, `"3600"`)
		list[i] = c
	}
	return list
}

func tableOf(checks []Check, coloured bool) []byte {
	var out bytes.Buffer
	table := NewTable(&out, coloured)
	for _, c := range checks {
		table.Check(c)
	}
	table.End()
	return out.Bytes()
}

// TestGolden compares the reports on the project's own stack and on Cognito
// without the broker.
func TestGolden(t *testing.T) {
	s := startStack(t, broker.ModeBrokered)
	ours := canonical(s, run(t, Options{URL: s.MCP, Open: user(s, nil), Register: RegisterOne}))
	cognito := canonical(s, run(t, Options{URL: s.Cognito + "/us-east-1_local00001"}))
	raw, err := json.MarshalIndent(ours, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string][]byte{
		"ours.json": append(raw, '\n'), "ours.txt": tableOf(ours, false), "cognito.txt": tableOf(cognito, false), "cognito.ansi": tableOf(cognito, true),
	} {
		file := "testdata/" + name
		if *update {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s has changed (-update writes it):\n%s", file, got)
		}
	}
}

// The doctor's page has its report on Cognito, and every check.
func TestPageIsCurrent(t *testing.T) {
	const page = "../../../docs/doctor.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	output, err := os.ReadFile("testdata/cognito.txt")
	if err != nil {
		t.Fatal(err)
	}
	var list strings.Builder
	list.WriteString("| Check | It passes if | Section |\n|---|---|---|\n")
	for _, def := range Checks() {
		list.WriteString("| `" + def.ID + "` | " + def.Requirement + " | " + def.Section + " |\n")
	}
	got := string(text)
	for name, want := range map[string]string{"cognito": "```\n" + string(output) + "```\n", "checks": list.String()} {
		begin, end := "<!-- begin "+name+" -->\n", "<!-- end "+name+" -->"
		before, rest, ok := strings.Cut(got, begin)
		if !ok {
			t.Fatalf("%s has no %q", page, begin)
		}
		_, after, ok := strings.Cut(rest, end)
		if !ok {
			t.Fatalf("%s has no %q", page, end)
		}
		got = before + begin + want + end + after
	}
	if *update {
		if err := os.WriteFile(page, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if got != string(text) {
		t.Errorf("%s is not current; go test ./internal/tool/doctor -run 'TestGolden|TestPageIsCurrent' -update updates it", page)
	}
}

package doctor

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/tool/devstack"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/test/golden"
	"github.com/dcr-broker/dcr-broker/test/must"
)

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
		golden.Compare(t, "testdata/"+name, got)
	}
}

// The doctor's page has its report on Cognito, and every check.
func TestPageIsCurrent(t *testing.T) {
	const page = "../../../docs/doctor.md"
	var list strings.Builder
	list.WriteString("| Check | It passes if | Section |\n|---|---|---|\n")
	for _, def := range Checks() {
		list.WriteString("| `" + def.ID + "` | " + def.Requirement + " | " + def.Section + " |\n")
	}
	output := string(must.ReadFile(t, "testdata/cognito.txt"))
	for name, want := range map[string]string{"cognito": "```\n" + output + "```\n", "checks": list.String()} {
		golden.Section(t, page, "<!-- begin "+name+" -->\n", "<!-- end "+name+" -->", want)
	}
}

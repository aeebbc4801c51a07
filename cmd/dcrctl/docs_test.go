package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/dcr-broker/dcr-broker/internal/tool/preflight"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configure"
	"github.com/dcr-broker/dcr-broker/test/dynamodbtest"
	"github.com/dcr-broker/dcr-broker/test/golden"
	"github.com/dcr-broker/dcr-broker/test/must"
	"github.com/rogpeppe/go-internal/testscript"
)

const (
	reference = "../../docs/dcrctl.md"
	runbook   = "../../docs/operations.md"
)

// commands returns the commands without their subcommands, as they are typed.
func commands(t *testing.T) []string {
	t.Helper()
	k, err := kong.New(&cli{}, kong.Name("dcrctl"))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, n := range k.Model.Leaves(true) {
		all = append(all, strings.TrimPrefix(n.FullPath(), "dcrctl "))
	}
	return all
}

// The reference has the output of --help for each command. go test -update writes
// it.
func TestReferenceIsTheHelp(t *testing.T) {
	var want strings.Builder
	for _, command := range append([]string{""}, commands(t)...) {
		var out, errs bytes.Buffer
		args := append(strings.Fields(command), "--help")
		if code := run(t.Context(), args, &out, &errs, func(string) string { return "" }); code != 0 {
			t.Fatalf("dcrctl %q = %d: %s", args, code, errs.String())
		}
		text := out.String()
		if command != "" {
			// The reference has the flags of all commands once.
			text = regexp.MustCompile(`(?s) +-h, --help .*?Default:\s+standard\s+error\.\n\n?`).ReplaceAllString(text, "")
			text = strings.TrimSuffix(strings.TrimRight(text, "\n"), "\n\nFlags:")
		}
		fmt.Fprintf(&want, "### %s\n\n```text\n%s\n```\n\n", strings.TrimSpace("dcrctl "+command), strings.TrimRight(text, "\n"))
	}
	const begin, end = "<!-- what follows is written by go test ./cmd/dcrctl -update -->\n\n", "<!-- end -->\n"
	golden.Section(t, reference, begin, end, want.String())
}

// Every member of the JSON output is documented, and no other is.
func TestJSONIsDocumented(t *testing.T) {
	body := must.ReadFile(t, reference)
	_, section, _ := strings.Cut(string(body), "\n## JSON\n")
	section, _, _ = strings.Cut(section, "\n## ")
	rows := make(map[string][]string)
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		var names []string
		for _, m := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(cells[2], -1) {
			names = append(names, m[1])
		}
		for _, m := range regexp.MustCompile("`([a-z ]+)`").FindAllStringSubmatch(cells[1], -1) {
			rows[m[1]] = names
		}
	}
	for command, v := range map[string]any{
		"iat list": tokenRow{}, "client list": clientRow{}, "client show": clientDetail{}, "grant list": grantRow{}, "grant revoke": revocation{},
		"config lint": fault{}, "config diff": configure.Change{}, "config history": versionRow{}, "config apply": applied{}, "config rollback": applied{}, "resource add": applied{}, "resource remove": applied{},
		"config profiles": profileRow{}, "config test": verdict{}, "resource list": resourceRow{}, "sweep": sweepResult{}, "stats": stat{},
		"config check": preflight.Check{}, "purge": leftover{},
	} {
		want := members(reflect.TypeOf(v))
		got := rows[command]
		if command == "client show" {
			want = slices.DeleteFunc(want, func(name string) bool { return slices.Contains(members(reflect.TypeFor[clientRow]()), name) })
		}
		slices.Sort(want)
		got = slices.Sorted(slices.Values(got))
		if !slices.Equal(got, want) {
			t.Errorf("%s: the documented members are\n%q, want\n%q", command, got, want)
		}
	}
}

// members returns the names that the fields of a type have in JSON.
func members(typ reflect.Type) []string {
	var names []string
	for f := range typ.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous:
			names = append(names, members(f.Type)...)
		case name != "":
			names = append(names, name)
		}
	}
	return names
}

// A block is a fenced code block on a page.
type block struct{ language, text string }

func blocks(t *testing.T, page string) []block {
	t.Helper()
	body := must.ReadFile(t, page)
	var all []block
	for _, m := range regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$").FindAllStringSubmatch(string(body), -1) {
		all = append(all, block{m[1], m[2]})
	}
	return all
}

// dcrctl accepts every command line on the pages.
func TestCommandsOfThePagesParse(t *testing.T) {
	count := 0
	for _, page := range []string{reference, runbook, "../../docs/doctor.md", "../../docs/deploy.md", "../../docs/configuration.md", "../../README.md"} {
		for _, b := range blocks(t, page) {
			for line := range strings.Lines(b.text) {
				args, ok := strings.CutPrefix(line, "dcrctl ")
				if !ok || b.language == "text" {
					continue
				}
				count++
				args, _, _ = strings.Cut(args, "  ") // a description follows
				args = regexp.MustCompile(`'[^']*'`).ReplaceAllStringFunc(args, func(quoted string) string {
					return strings.ReplaceAll(strings.Trim(quoted, "'"), " ", "_")
				})
				args = regexp.MustCompile(` [|>#].*`).ReplaceAllString(args, "")
				// Parsing does not open the files that the arguments name.
				if err := parses(strings.Fields(args)); err != nil {
					t.Errorf("%s: dcrctl %s: %v", page, args, err)
				}
			}
		}
	}
	if count < 40 {
		t.Errorf("%d commands were found on the pages, want at least 40", count)
	}
}

func parses(args []string) error {
	k, err := kong.New(&cli{}, kong.Name("dcrctl"), kong.Exit(func(int) {}), kong.Writers(new(bytes.Buffer), new(bytes.Buffer)))
	if err != nil {
		return err
	}
	_, err = k.Parse(args)
	return err
}

// The documents of the cookbook are valid.
func TestCookbookDocumentsAreValid(t *testing.T) {
	n := 0
	for _, b := range blocks(t, runbook) {
		if b.language != "json" || !strings.Contains(b.text, `"profiles"`) {
			continue
		}
		n++
		if _, err := configuration.Parse([]byte(b.text), broker.Deployment{Mode: broker.ModeBrokered, Issuer: "https://auth.example.com"}); err != nil {
			t.Errorf("%v in\n%s", err, b.text)
		}
	}
	if n != 4 {
		t.Errorf("the cookbook has %d documents, want 4", n)
	}
}

// The test runs the commands of the page from top to bottom, as an operator
// would. Each section has a client and a grant of its own, each question is
// answered with yes, and config.json is the last document that the page has
// shown.
func TestOperationsPageRuns(t *testing.T) {
	t.Parallel()
	endpoint := dynamodbtest.Endpoint(t)
	body := must.ReadFile(t, runbook)
	placeholders := strings.NewReplacer("CLIENT_ID", "$CLIENT", "TOKEN_ID", "$TOKEN_ID", "SUB", "sub-1", "USER", "ada@example.com",
		"DIGEST", `"$(dcrctl client show $CLIENT | sed -n 's/^digest *//p')"`)
	var script, files strings.Builder
	sections, commands, documents := 0, 0, 0
	for section := range strings.SplitSeq(string(body), "\n## ") {
		title, _, _ := strings.Cut(section, "\n")
		if !strings.Contains(section, "\ndcrctl ") {
			continue
		}
		sections++
		fmt.Fprintf(&script, "\n# %s\nregister $FIXTURES/cursor.json trusted\ngrant grant-%d $CLIENT sub-1 ada@example.com\n", title, sections)
		for _, m := range regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$").FindAllStringSubmatch(section, -1) {
			if m[1] == "json" && strings.Contains(m[2], `"profiles"`) {
				documents++
				fmt.Fprintf(&files, "-- document%d --\n%s", documents, m[2])
				fmt.Fprintf(&script, "cp document%d config.json\n", documents)
				continue
			}
			for line := range strings.Lines(m[2]) {
				if !strings.HasPrefix(line, "dcrctl ") || strings.HasPrefix(line, "dcrctl doctor") {
					continue // the doctor has its own tests
				}
				commands++
				fmt.Fprintf(&files, "-- command%d --\n%s", commands, placeholders.Replace(line))
				answer := "yes"
				if strings.Contains(line, "purge") {
					answer = "deployment"
				}
				// client approve needs a client that waits for approval.
				if strings.Contains(line, "--state pending") {
					script.WriteString("env CONFIGURATION=config.json\nregister $FIXTURES/vscode.json\n")
				}
				fmt.Fprintf(&script, "ttyin -stdin %s\nexec sh command%d\n", answer, commands)
				if strings.Contains(line, "client approve") {
					script.WriteString("env CONFIGURATION=\n")
				}
			}
		}
	}
	if sections < 8 || commands < 40 {
		t.Errorf("%d sections with %d commands were found, want at least 8 with 40", sections, commands)
	}
	registration := must.ReadFile(t, "../../testdata/registrations/vscode.json")
	// These names differ from documentN and commandN, the files that the page
	// makes.
	fmt.Fprintf(&files, "-- yes --\ny\n-- deployment --\ntest\n-- registration.json --\n%s\n-- machine.json --\n%s\n", registration,
		`{"client_name": "Nightly", "grant_types": ["client_credentials"]}`)
	name := filepath.Join(t.TempDir(), "operations.txtar")
	if err := os.WriteFile(name, []byte(script.String()+files.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Files: []string{name}, ContinueOnError: true, Cmds: scriptCommands,
		Setup: func(e *testscript.Env) error { return newWorld(t, e, endpoint) },
	})
}

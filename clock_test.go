package dcrbroker

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// timePackages has the functions that give the time, by import path, and those
// that make timers by which a cache could expire: timers run by the monotonic
// clock.
var timePackages = map[string][]string{
	"time":               {"Now", "Since", "Until", "After", "AfterFunc", "NewTicker", "NewTimer", "Tick"},
	module + "pkg/clock": {"Now"},
}

// A timeUse is a use of a function that gives the time.
type timeUse struct {
	file string
	in   string // name of the function or method, empty outside
	name string // such as time.Now
}

// allowedTimeUses are the uses in production code. A cache is not among them: it
// gets the clock from wiring.
var allowedTimeUses = []struct{ file, in, names, why string }{
	{"pkg/clock/clock.go", "Now", "time.Now", "the clock itself"},

	{"internal/wire/wire.go", "New", "clock.Now", "wiring gives the clock to all parts"},
	{"internal/wire/store.go", "Table", "clock.Now", "wiring gives the clock to the store"},
	{"internal/wire/metadata/metadata.go", "Routes", "clock.Now", "wiring gives the clock to the parts of metadata"},
	{"internal/wire/metadata/function.go", "Function", "clock.Now", "wiring gives the clock to the parts of the function"},
	{"pkg/mcpauth/guard.go", "New", "clock.Now", "an MCP server is not wired by the broker"},

	{"internal/httpapi/router.go", "ServeHTTP", "time.Now time.Since", "a duration for the log, by the monotonic clock"},
	{"internal/adapter/lambdahttp/invocation.go", "BeginInvocation", "time.Now time.Since", "a duration for the log, by the monotonic clock"},
	{"internal/adapter/awssdk/measure.go", "measured", "time.Now time.Since", "a duration for the log, by the monotonic clock"},
	{"internal/adapter/signed/signed.go", "sendOnce", "time.Now time.Since", "a duration for the log, by the monotonic clock"},
	{"internal/adapter/cognitoauth/client.go", "send", "time.Now time.Since", "a duration for the log, by the monotonic clock"},
	{"pkg/broker/telemetry/audit.go", "write", "time.Now", "the time of a line in the log"},
	{"pkg/broker/telemetry/metrics.go", "Log", "time.Now", "the time of metrics in the log"},

	{"internal/adapter/lambdahttp/adapter.go", "New", "time.Until", "the deadline of one invocation, from Lambda"},
	{"pkg/broker/janitor/janitor.go", "Sweep", "time.Until", "the deadline of one sweep, from its context"},
	{"pkg/broker/janitor/run.go", "late", "time.Now", "the deadline of one sweep, from its context"},
	{"pkg/broker/janitor/observe.go", "tooLateToCount", "time.Now", "the deadline of one sweep, from its context"},
	{"internal/adapter/signed/signed.go", "sign", "time.Now", "the date in the signature of one request"},

	{"internal/adapter/dynamo/query.go", "whole", "time.After", "a pause between two requests"},
	{"internal/adapter/wellknown/wellknown.go", "Current", "time.NewTimer", "how long one request waits for another's read"},
	{"pkg/broker/pause.go", "Pause", "time.NewTimer", "a pause of a request"},

	{"internal/adapter/memory/store.go", "NewStore", "clock.Now", "for tests that need no clock of their own"},
}

// All parts have one clock, clock.Now, which wiring gives them. The values of
// time.Now have a monotonic reading, which stands still while Lambda has the
// process frozen, so a cache that compared them would keep what has expired.
func TestProductionCodeGetsTheTimeFromWiring(t *testing.T) {
	out, err := exec.Command("git", "ls-files", "pkg/*.go", "internal/*.go", "functions/*.go").Output()
	if err != nil {
		t.Fatal(err)
	}
	allowed := make(map[timeUse]bool) // false after its use was found
	for _, a := range allowedTimeUses {
		if a.why == "" {
			t.Errorf("%s, func %s has no reason", a.file, a.in)
		}
		for name := range strings.FieldsSeq(a.names) {
			allowed[timeUse{a.file, a.in, name}] = true
		}
	}
	files := 0
	for name := range strings.FieldsSeq(string(out)) {
		if strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "internal/tool/") {
			continue
		}
		files++
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range timeUses(name, file) {
			if _, ok := allowed[u]; !ok {
				t.Errorf("%s, func %s: %s. Take the time from a func() time.Time that wiring gives, and compare ages with clock.Fresh. "+
					"If it is a duration for the log or the deadline of one call, name it in this test", u.file, u.in, u.name)
				continue
			}
			allowed[u] = false
		}
	}
	for u, unused := range allowed {
		if unused {
			t.Errorf("%s, func %s: %s is allowed and not used", u.file, u.in, u.name)
		}
	}
	if files < 100 {
		t.Errorf("%d files were checked, want all of production", files)
	}
}

// timeUses returns the uses in a file, called or passed as a value.
func timeUses(name string, file *ast.File) []timeUse {
	imported := make(map[string]string) // import path by name in the file
	var uses []timeUse
	for _, i := range file.Imports {
		p, _ := strconv.Unquote(i.Path.Value)
		switch {
		case timePackages[p] == nil:
		case i.Name == nil:
			imported[path.Base(p)] = p
		case i.Name.Name == ".":
			uses = append(uses, timeUse{name, "", "all of " + p})
		default:
			imported[i.Name.Name] = p
		}
	}
	for _, d := range file.Decls {
		in := ""
		if f, ok := d.(*ast.FuncDecl); ok {
			in = f.Name.Name
		}
		ast.Inspect(d, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := s.X.(*ast.Ident)
			if !ok {
				return true
			}
			if p := imported[x.Name]; slices.Contains(timePackages[p], s.Sel.Name) {
				uses = append(uses, timeUse{name, in, path.Base(p) + "." + s.Sel.Name})
			}
			return true
		})
	}
	return uses
}

func TestTimeUsesAreFound(t *testing.T) {
	for _, tt := range []struct{ imports, body, want string }{
		{`"time"`, `_ = time.Now()`, "time.Now"},
		{`"time"`, `_ = config{now: time.Now}`, "time.Now"},
		{`"time"`, `c.now = time.Now`, "time.Now"},
		{`"time"`, `go func() { _ = time.Since(start) }()`, "time.Since"},
		{`"time"`, `_ = time.Until(end)`, "time.Until"},
		{`"time"`, `time.AfterFunc(time.Minute, forget)`, "time.AfterFunc"},
		{`stdtime "time"`, `_ = stdtime.Now`, "time.Now"},
		{`. "time"`, `_ = Now()`, "all of time"},
		{`"` + module + `pkg/clock"`, `c.now = clock.Now`, "clock.Now"},
		{`"` + module + `pkg/clock"`, `_ = clock.Fresh(at, now, bound)`, ""},
		{`"time"`, `_ = time.Unix(0, 0).Add(time.Second)`, ""},
		{`"time"`, `_ = c.time.Now()`, ""},
		{`"other/time"`, `_ = time.Now()`, ""},
	} {
		source := fmt.Sprintf("package p\nimport %s\nfunc f() { %s }", tt.imports, tt.body)
		file, err := parser.ParseFile(token.NewFileSet(), "p.go", source, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, u := range timeUses("p.go", file) {
			got = append(got, u.name)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("import %s; %s: found %q, want %q", tt.imports, tt.body, got, tt.want)
		}
	}
}

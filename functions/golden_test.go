package functions

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/test/lambdaruntime"
)

var update = flag.Bool("update", false, "write the golden answers")

// compare checks an answer against testdata/NAME.golden.
func compare(t *testing.T, name string, a *lambdaruntime.Answer) {
	t.Helper()
	checkLength(t, a)
	compareGolden(t, name, canonical(a))
}

func compareGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// volatile are the fields whose values nobody can foresee.
var volatile = regexp.MustCompile(`"(client_id|client_secret|registration_access_token|access_token|id_token|refresh_token|request_id)":\s*"[^"]+"` +
	`|"(client_id_issued_at|iat|exp)":\s*[0-9]+` +
	`|"(registration_client_uri)":\s*"https://auth\.example\.com/register/[^"]+"`)

// nearlyAnHour is what is left of the hour of a token that was just issued.
var nearlyAnHour = regexp.MustCompile(`("expires_in":\s*)35[4-9][0-9]\b`)

// volatileText is what changes in pages and headers. Style sheets are tested
// elsewhere.
var volatileText = []struct {
	pattern *regexp.Regexp
	becomes string
}{
	{regexp.MustCompile(`(?s)<style>.*?</style>`), `<style>VOLATILE</style>`},
	{regexp.MustCompile(`'sha256-[A-Za-z0-9+/=]+'`), `'sha256-VOLATILE'`},
	{regexp.MustCompile(`(<dt>Reference</dt><dd><bdi>)[^<]+`), `${1}VOLATILE`},
	{regexp.MustCompile(`(name="csrf" value=")[^"]+`), `${1}VOLATILE`},
	{regexp.MustCompile(`\b((?:state|code_challenge)=)[\w-]{43}`), `${1}VOLATILE`},
	{regexp.MustCompile(`\b(client_id=)[a-z0-9]{26}`), `${1}VOLATILE`},
	{regexp.MustCompile(`\b(dcr_ac_)[a-z2-7]{78}`), `${1}VOLATILE`},
	{regexp.MustCompile(`\b(__Host-dcr_tx=)[\w-]{43}`), `${1}VOLATILE`},
}

func withoutVolatileText(s string) string {
	for _, v := range volatileText {
		s = v.pattern.ReplaceAllString(s, v.becomes)
	}
	return s
}

// canonical writes an answer with its fields in order and without what changes
// from run to run. Of a body that HEAD leaves out, the length stays, unless it
// has a request id.
func canonical(a *lambdaruntime.Answer) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%d %s\n", a.Status, http.StatusText(a.Status))
	var lines []string
	for name, values := range a.Header {
		switch {
		case name == "Date": // API Gateway has its own
		case name == "Content-Length" && (len(a.Body) > 0 || a.Status >= 400 || values[0] == "0"): // checkLength has seen to it
		default:
			lines = append(lines, name+": "+withoutVolatileText(strings.Join(values, ",")))
		}
	}
	slices.Sort(lines)
	for _, l := range lines {
		fmt.Fprintln(&b, l)
	}
	if len(a.Body) > 0 {
		b.WriteByte('\n')
		body := a.Body
		if isPage(a) {
			body = []byte(withoutVolatileText(string(body)))
		}
		var indented bytes.Buffer
		if json.Indent(&indented, body, "", "  ") == nil {
			body = bytes.TrimRight(indented.Bytes(), "\n")
		}
		body = nearlyAnHour.ReplaceAll(body, []byte("${1}3600"))
		b.Write(volatile.ReplaceAllFunc(body, func(m []byte) []byte {
			name, _, _ := bytes.Cut(m, []byte(":"))
			return append(name, `: VOLATILE`...)
		}))
		b.WriteByte('\n')
	}
	return b.Bytes()
}

func checkLength(t *testing.T, a *lambdaruntime.Answer) {
	t.Helper()
	if l := a.Header.Get("Content-Length"); len(a.Body) > 0 && l != strconv.Itoa(len(a.Body)) {
		t.Errorf("Content-Length = %q for a body of %d bytes", l, len(a.Body))
	}
}

// checkRequestID wants API Gateway's id in every error, so that a client's
// report leads to the gateway's log and ours.
func checkRequestID(t *testing.T, a *lambdaruntime.Answer, want string) {
	t.Helper()
	if a.Status < 400 || len(a.Body) == 0 {
		return
	}
	if isPage(a) {
		if a.Status != http.StatusNotFound && !strings.Contains(string(a.Body), want) {
			t.Errorf("the page does not say API Gateway's request id %q: %s", want, a.Body)
		}
		return
	}
	var e struct {
		RequestID string `json:"request_id"`
	}
	if err := json.Unmarshal(a.Body, &e); err != nil || e.RequestID != want {
		t.Errorf("request_id = %q (%v), want API Gateway's %q", e.RequestID, err, want)
	}
}

func isPage(a *lambdaruntime.Answer) bool {
	return strings.HasPrefix(a.Header.Get("Content-Type"), "text/html")
}

// checkLogs wants a line for each answer, and what checkLines wants.
func checkLogs(t *testing.T, function, logs string, secrets []string) {
	t.Helper()
	if !strings.Contains(logs, `"msg":"answered"`) {
		t.Errorf("%s logged no answer:\n%s", function, logs)
	}
	checkLines(t, function, logs, secrets)
}

// checkLines wants one JSON object a line, as Lambda's log search does, and no
// secrets.
func checkLines(t *testing.T, function, logs string, secrets []string) {
	t.Helper()
	for line := range strings.Lines(logs) {
		var l struct{ Time, Level, Msg string }
		if err := json.Unmarshal([]byte(line), &l); err != nil || l.Time == "" || l.Level == "" || l.Msg == "" {
			t.Errorf("%s logged a line that is not of slog's JSON: %s", function, line)
		}
	}
	for _, s := range secrets {
		if how := tellsOf(logs, s); how != "" {
			t.Errorf("%s logged a secret, %s: %s", function, how, lineWith(logs, s))
		}
	}
}

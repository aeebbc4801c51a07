package functions

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/test/golden"
	"github.com/dcr-broker/dcr-broker/test/lambdaruntime"
)

// compare compares an answer with testdata/NAME.golden.
func compare(t *testing.T, name string, a *lambdaruntime.Answer) {
	t.Helper()
	checkLength(t, a)
	compareGolden(t, name, canonical(a))
}

func compareGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	golden.Compare(t, filepath.Join("testdata", name+".golden"), got)
}

// volatile matches the members whose values differ from run to run.
var volatile = regexp.MustCompile(`"(client_id|client_secret|registration_access_token|access_token|id_token|refresh_token|request_id)":\s*"[^"]+"` +
	`|"(client_id_issued_at|iat|exp)":\s*[0-9]+` +
	`|"(registration_client_uri)":\s*"https://auth\.example\.com/register/[^"]+"`)

// nearlyAnHour matches the rest of the lifetime of a token that was just issued
// for an hour.
var nearlyAnHour = regexp.MustCompile(`("expires_in":\s*)35[4-9][0-9]\b`)

// volatileText matches text in pages and headers that differs from run to run,
// and style sheets, which other tests check.
var volatileText = []struct {
	pattern *regexp.Regexp
	becomes string
}{
	{regexp.MustCompile(`(?s)<style>.*?</style>`), `<style>VOLATILE</style>`},
	{regexp.MustCompile(`'sha256-[A-Za-z0-9+/=]+'`), `'sha256-VOLATILE'`},
	{regexp.MustCompile(`(<dt>Reference</dt><dd><bdi>)[^<]+`), `${1}VOLATILE`},
	{regexp.MustCompile(`(name="csrf" value=")[^"]+`), `${1}VOLATILE`},
	{regexp.MustCompile(`\b((?:state|code_challenge)=)(?:[\w-]{16}\.)?[\w-]{43}`), `${1}VOLATILE`},
	{regexp.MustCompile(`\b(client_id=)[a-z0-9]{26}`), `${1}VOLATILE`},
	{regexp.MustCompile(`\b(dcr_ac_)[a-z2-7]{78}`), `${1}VOLATILE`},
	{regexp.MustCompile(`\b(__Host-dcr_tx_)[\w-]{16}=[\w-]{51}`), `${1}VOLATILE=VOLATILE`},
	{regexp.MustCompile(`((?:\?|&)transaction=)[\w-]{16}`), `${1}VOLATILE`},
	{regexp.MustCompile(`(name="transaction" value=")[^"]+`), `${1}VOLATILE`},
}

func withoutVolatileText(s string) string {
	for _, v := range volatileText {
		s = v.pattern.ReplaceAllString(s, v.becomes)
	}
	return s
}

// canonical returns an answer as text, with its headers sorted and without values
// that differ from run to run. In the answer to HEAD it keeps Content-Length,
// unless the body would have a request id.
func canonical(a *lambdaruntime.Answer) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%d %s\n", a.Status, http.StatusText(a.Status))
	var lines []string
	for name, values := range a.Header {
		switch {
		case name == "Date": // API Gateway has its own
		case name == "Content-Length" && (len(a.Body) > 0 || a.Status >= 400 || values[0] == "0"): // checkLength checks it
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

// checkRequestID checks that every error has API Gateway's request id, by which
// an operator finds a reported error in the logs of the gateway and of the
// broker.
func checkRequestID(t *testing.T, a *lambdaruntime.Answer, want string) {
	t.Helper()
	if a.Status < 400 || len(a.Body) == 0 {
		return
	}
	if isPage(a) {
		if a.Status != http.StatusNotFound && !strings.Contains(string(a.Body), want) {
			t.Errorf("the page does not have API Gateway's request id %q: %s", want, a.Body)
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

// checkLogs checks that there is a line for an answer, and calls checkLines.
func checkLogs(t *testing.T, function, logs string, secrets []string) {
	t.Helper()
	if !strings.Contains(logs, `"msg":"answered"`) {
		t.Errorf("%s logged no answer:\n%s", function, logs)
	}
	checkLines(t, function, logs, secrets)
}

// checkLines checks that each line is a JSON object, as Lambda's log search needs
// it, and that no line has a secret.
func checkLines(t *testing.T, function, logs string, secrets []string) {
	t.Helper()
	for line := range strings.Lines(logs) {
		var l struct{ Time, Level, Msg string }
		if err := json.Unmarshal([]byte(line), &l); err != nil || l.Time == "" || l.Level == "" || l.Msg == "" {
			t.Errorf("%s logged a line that is not slog's JSON: %s", function, line)
		}
	}
	for _, s := range secrets {
		if how := leak(logs, s); how != "" {
			t.Errorf("%s logged a secret, %s: %s", function, how, lineWith(logs, s))
		}
	}
}

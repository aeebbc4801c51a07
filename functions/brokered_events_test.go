package functions

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/test/dynamodbtest"
	"github.com/dcr-broker/dcr-broker/test/lambdaruntime"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// brokeredSteps are the steps of brokered mode. Some send the same events as
// steps of direct mode.
var brokeredSteps = []step{
	{event: "register-open", as: "brokered-register-open", learn: map[string]string{"client_id": exampleClient}},

	{event: "authorize-unknown-client"},
	{event: "authorize-no-client"},
	{event: "authorize-other-redirect-uri"},
	{event: "authorize-repeated-parameter"},
	{event: "authorize-no-pkce"},
	{event: "authorize-other-resource"},
	{event: "authorize-head"},
	{event: "authorize-method"},
	{event: "authorize-preflight"},
	{event: "callback-no-cookie"},
	{event: "callback-problem"},
	{event: "consent-no-cookie"},
	{event: "decision-no-cookie"},
	{event: "signed-out"},
	{event: "assets-logo"},
	{event: "assets-unknown"},

	{event: "authorize", extract: extractTransaction},
	{event: "callback-other-state"},
	{event: "callback", before: (*world).signInAtCognito},
	{event: "callback-again"},
	{event: "consent-two-cookies"},
	{event: "consent", extract: extractCSRF},
	{event: "decision-no-csrf"},
	{event: "decision-media-type"},
	{event: "decision", extract: extractCode},
	{event: "decision-again", extract: extractCode},

	{event: "token-code", as: "brokered-token-code", learn: map[string]string{"access_token": exampleAccess, "refresh_token": exampleRefresh}},
	{event: "introspect"},
	{event: "introspect-unknown-token"},
	{event: "introspect-no-credentials"},
	{event: "introspect-wrong-secret"},
	{event: "introspect-method"},
	{event: "token-refresh", as: "brokered-token-refresh", learn: map[string]string{"refresh_token": exampleRefresh}},
	{event: "token-unknown-client", as: "brokered-token-unknown-client"},
	{event: "revoke", as: "brokered-revoke"},
	{event: "introspect", as: "introspect-revoked"},
	{event: "token-refresh", as: "brokered-token-refresh-revoked"},
	{event: "token-code-again", as: "brokered-token-code-again"},

	{event: "metadata-authorization-server", as: "brokered-metadata-authorization-server"},
}

func TestBootstrapsAnswerEventsOfBrokeredMode(t *testing.T) {
	t.Parallel()
	w := newBrokeredWorld(t, dynamodbtest.Endpoint(t))
	w.store()
	private := newInvocations(w)
	private.deploy(provisionFunction, w.function("provision"))
	w.bootstrapsAnswer(brokeredSteps, "register", "authorize", "token")
}

func TestMetadataAnswersEventsOfBrokeredMode(t *testing.T) {
	t.Parallel()
	newBrokeredWorld(t, "").bootstrapsAnswer(brokeredSteps, "metadata")
}

func TestNetHTTPAnswersEventsOfBrokeredMode(t *testing.T) {
	t.Parallel()
	newBrokeredWorld(t, "").netHTTPAnswers(brokeredSteps)
}

// privateEvents are the events of functions that have no route, in order.
var privateEvents = []struct{ function, event, golden string }{
	{"janitor", "janitor", "janitor"},
	{"provision", "provision-unknown", "provision-unknown"},
	{"provision", "provision", "provision"},
	{"provision", "provision", "provision-again"},
	{"janitor", "janitor", "janitor-nothing-to-do"},
}

func privateSteps() []step {
	var steps []step
	for _, p := range privateEvents {
		steps = append(steps, step{event: p.event, as: p.golden})
	}
	return steps
}

func TestPrivateFunctionsAnswerEvents(t *testing.T) {
	t.Parallel()
	w := newBrokeredWorld(t, dynamodbtest.Endpoint(t))
	w.store()
	provision, janitor := w.function("provision"), w.function("janitor")
	for _, p := range privateEvents {
		t.Run(p.golden, func(t *testing.T) {
			event := must.ReadFile(t, filepath.Join("..", "events", p.event+".json"))
			f := provision
			if p.function == "janitor" {
				f = janitor
			}
			out, err := f.Invoke(t.Context(), event)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := json.Indent(&got, out, "", "  "); err != nil {
				t.Fatalf("%v in %q", err, out)
			}
			got.WriteByte('\n')
			compareGolden(t, p.golden, got.Bytes())
		})
	}
	if n := w.cognito.Calls("CreateUserPoolClient"); n != 1 {
		t.Errorf("%d app clients made, want 1", n)
	}
	for name, f := range map[string]interface {
		Close()
		Logs() string
		Starts() int
	}{"provision": provision, "janitor": janitor} {
		f.Close()
		if f.Starts() != 1 {
			t.Errorf("%s: %d processes, want 1 for all events", name, f.Starts())
		}
		checkLines(t, name, f.Logs(), w.hidden())
	}
}

// Without keys nothing can be sealed. Browsers get a page, clients get JSON, both
// with Retry-After. The log has a line for each request, and the cause once.
func TestWithoutKeys(t *testing.T) {
	t.Parallel()
	w := newBrokeredWorld(t, "")
	w.env["KEYS"] = filepath.Join(t.TempDir(), "no-such-file")
	var logs bytes.Buffer
	h := w.broker(slog.New(slog.NewJSONHandler(&logs, nil)))
	for _, tt := range []struct {
		event  string
		status int
		page   bool
	}{
		{"authorize", 503, true},
		{"consent", 503, true},
		{"decision", 503, true},
		{"token-code", 503, false},
		{"introspect", 503, false},
		{"assets-logo", 200, false},
		{"authorize-head", 204, false},
	} {
		logs.Reset()
		r, err := lambdaruntime.Request(t.Context(), "https://auth.example.com", w.event(tt.event))
		if err != nil {
			t.Fatal(err)
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		a := &lambdaruntime.Answer{Status: rec.Code, Header: rec.Header(), Body: rec.Body.Bytes()}
		if a.Status != tt.status || isPage(a) != tt.page || (a.Header.Get("Retry-After") != "") != (tt.status == 503) {
			t.Errorf("%s: %d, %s, Retry-After %q; want %d, a page: %t", tt.event, a.Status, a.Header.Get("Content-Type"), a.Header.Get("Retry-After"), tt.status, tt.page)
		}
		if strings.Contains(rec.Body.String(), "no-such-file") {
			t.Errorf("%s: the answer has the location of the keys: %s", tt.event, rec.Body)
		}
		first := tt.event == "authorize" // whose read of the keys fails
		if !strings.Contains(logs.String(), `"msg":"answered"`) || strings.Contains(logs.String(), "no-such-file") != first {
			t.Errorf("%s logged:\n%s\nwant an answer, and the cause: %t", tt.event, logs.String(), first)
		}
	}
}

package world_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/janitor"
	"github.com/dcr-broker/dcr-broker/pkg/broker/operator"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/world"
)

// trail is a log from which the tests read the audit events.
type trail struct {
	bytes.Buffer
	t     *testing.T
	names []string // pairs of random text and its replacement
}

// logger returns a logger whose level drops all lines except audit events.
func (l *trail) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelError}))
}

// is replaces random text by name.
func (l *trail) is(random, name string) { l.names = append(l.names, random, name) }

// lines returns the events logged since the last call, without the members that
// all have, sorted by key.
func (l *trail) lines() []string {
	l.t.Helper()
	var found []string
	for _, line := range strings.Split(strings.TrimSpace(l.String()), "\n") {
		if line == "" {
			continue
		}
		var members map[string]any
		if err := json.Unmarshal([]byte(line), &members); err != nil {
			l.t.Fatalf("%v in %s", err, line)
		}
		if members["msg"] != "audit" {
			continue
		}
		for _, same := range []string{"time", "level", "msg"} {
			delete(members, same)
		}
		found = append(found, strings.NewReplacer(l.names...).Replace(world.MustJSON(l.t, members)))
	}
	l.Reset()
	return found
}

func (l *trail) want(after string, want ...string) {
	l.t.Helper()
	if got := l.lines(); !slices.Equal(got, want) {
		l.t.Errorf("after %s the trail has\n%s\nwant\n%s", after, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// audited is a brokered world with its audit trail.
func audited(t *testing.T) (*world.Brokered, *trail) {
	t.Helper()
	w, l := world.NewLife(t), &trail{t: t}
	w.Log = l.logger()
	w.Restart()
	return w, l
}

// auditedDirect is a world of direct mode with its audit trail.
func auditedDirect(t *testing.T) (*world.World, *trail) {
	t.Helper()
	w, l := world.New(t), &trail{t: t}
	s, err := world.Assemble(world.Parts{
		Store: w.Store, Pool: w.Pool, Now: w.Now, Log: l.logger(),
		Policy: w.PolicySource,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Broker = s
	return w, l
}

func TestClientsOfBrokeredModeAreAudited(t *testing.T) {
	w, l := audited(t)
	open, _ := w.MustRegister(world.PublicBody, credential.Token{})
	l.is(open.ClientID, "OPEN")
	l.want("an open registration", `{"actor":{"kind":"anonymous"},"after":{"client_name":"Claude","grant_types":"authorization_code refresh_token",`+
		`"redirect_uris":["https://claude.ai/api/mcp/auth_callback"],"scope":"openid mcp/read mcp/write","state":"active","token_endpoint_auth_method":"none"},`+
		`"client_id":"OPEN","event":"registration.created","profile":"open"}`)
	w.MustRegister(world.PublicBody, credential.Token{})
	w.Restart()
	w.MustRegister(world.PublicBody, credential.Token{})
	l.want("the same again, twice")

	tok, tokenID := w.Token("trusted", 2)
	info, rat := w.MustRegister(world.ConfidentialBody, tok)
	l.is(info.ClientID, "APP")
	l.is(tokenID, "IAT")
	l.want("a registration with a token", `{"actor":{"id":"IAT","kind":"initial_access_token"},"after":{"client_name":"App","grant_types":"authorization_code refresh_token",`+
		`"redirect_uris":["https://app.example.com/cb"],"scope":"openid mcp/read mcp/write","state":"active","token_endpoint_auth_method":"client_secret_basic"},`+
		`"client_id":"APP","event":"registration.created","initial_access_token":"IAT","profile":"trusted"}`,
		`{"actor":{"id":"IAT","kind":"initial_access_token"},"client_id":"APP","event":"initial_access_token.used","initial_access_token":"IAT","profile":"trusted"}`)

	key := w.AppClientKey(info.ClientID)
	w.MustProvision(key)
	l.is(w.AppClient(key).CognitoID, "COGNITO")
	l.want("its first sign-in", `{"actor":{"kind":"broker"},"app_client":"COGNITO","client_id":"APP","event":"app_client.created","profile":"trusted"}`)

	next, err := w.Update(t.Context(), info.ClientID, rat, world.Update(t, world.ConfidentialBody, info.ClientID, "client_name", "App 2", "contacts", []string{"ada@example.com"}))
	if err != nil {
		t.Fatal(err)
	}
	l.want("an update", `{"actor":{"id":"APP","kind":"client"},"after":{"changed":["client_name","contacts"],"client_name":"App 2"},`+
		`"before":{"client_name":"App"},"client_id":"APP","event":"registration.updated","profile":"trusted"}`)

	if err := w.Delete(t.Context(), info.ClientID, credential.Presented(next.RegistrationAccessToken)); err != nil {
		t.Fatal(err)
	}
	l.want("a deletion", `{"actor":{"id":"APP","kind":"client"},"after":{"state":"deleted"},"before":{"issued_at":"2026-11-21T12:30:00Z","state":"active"},`+
		`"client_id":"APP","event":"registration.deleted","profile":"trusted"}`)
	w.MustSweep()
	l.want("the sweep that follows", `{"actor":{"kind":"janitor"},"app_client":"COGNITO","client_id":"APP","event":"app_client.removed","profile":"trusted"}`)
}

func TestOperatorsAreAudited(t *testing.T) {
	w, l := audited(t)
	info, err := w.CreateClient(t.Context(), operator.NewClient{Profile: "trusted", ID: "dcr_fixed", By: "ada", Metadata: world.Request(t, world.ConfidentialBody).Metadata})
	if err != nil {
		t.Fatal(err)
	}
	if got := l.lines(); len(got) != 1 || !strings.Contains(got[0], `"actor":{"id":"ada","kind":"operator"}`) || !strings.Contains(got[0], `"event":"registration.created"`) {
		t.Errorf("CreateClient left %q, want registration.created by ada", got)
	}
	id := info.ClientID
	w.Allow(id)
	for range 2 { // the second finds nothing to do
		if _, err := w.Disable(t.Context(), id, "bob"); err != nil {
			t.Fatal(err)
		}
	}
	l.want("Disable, twice", `{"actor":{"id":"bob","kind":"operator"},"after":{"state":"disabled"},"before":{"issued_at":"2026-11-21T12:30:00Z","state":"active"},`+
		`"client_id":"dcr_fixed","event":"registration.disabled","profile":"trusted"}`,
		`{"actor":{"id":"bob","kind":"operator"},"after":{"ended":1},"client_id":"dcr_fixed","event":"grant.ended"}`)
	if _, err := w.Enable(t.Context(), id, "ada"); err != nil {
		t.Fatal(err)
	}
	l.is(w.Registration(id).Approved, "DIGEST")
	l.want("Enable", `{"actor":{"id":"ada","kind":"operator"},"after":{"digest":"DIGEST","state":"active"},"before":{"state":"disabled"},`+
		`"client_id":"dcr_fixed","event":"registration.enabled","profile":"trusted"}`)
	w.Allow(id)
	if _, err := w.EndGrantsOfUser(t.Context(), "ann", "ada"); err != nil {
		t.Fatal(err)
	}
	l.want("EndOfUser", `{"actor":{"id":"ada","kind":"operator"},"after":{"ended":1},"event":"grant.ended","user":"ann"}`)
	if _, err := w.DeleteClient(t.Context(), id, "ada"); err != nil {
		t.Fatal(err)
	}
	l.want("DeleteClient", `{"actor":{"id":"ada","kind":"operator"},"after":{"state":"deleted"},"before":{"issued_at":"2026-11-21T12:30:00Z","state":"active"},`+
		`"client_id":"dcr_fixed","event":"registration.deleted","profile":"trusted"}`)
	if err := w.AcceptTable(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	if got := l.lines(); len(got) != 1 || !strings.Contains(got[0], `"event":"table.accepted"`) || !strings.Contains(got[0], `"deployment":"test"`) {
		t.Errorf("AcceptTable left %q, want table.accepted", got)
	}
}

func TestTheJanitorIsAudited(t *testing.T) {
	w, l := audited(t)
	id, _ := w.Vouched("trusted", world.ConfidentialBody)
	key := w.AppClientKey(id)
	w.MustProvision(key)
	l.is(id, "APP")
	l.is(w.AppClient(key).CognitoID, "COGNITO")
	w.Use(id)
	w.Allow(id)
	l.lines()
	w.Wait(400 * world.Day)
	w.MustSweep()
	l.want("the end of a lifetime", `{"actor":{"kind":"janitor"},"after":{"state":"removed"},"before":{"issued_at":"2026-11-21T12:30:00Z","last_used_at":"2026-11-21T12:30:00Z","state":"active"},`+
		`"client_id":"APP","event":"registration.removed","profile":"trusted"}`,
		`{"actor":{"kind":"janitor"},"after":{"ended":1},"client_id":"APP","event":"grant.ended"}`,
		`{"actor":{"kind":"janitor"},"app_client":"COGNITO","client_id":"APP","event":"app_client.removed","profile":"trusted"}`)
}

func TestClientsOfDirectModeAreAudited(t *testing.T) {
	w, l := auditedDirect(t)
	info, rat := w.MustRegister(world.PublicBody, credential.Token{})
	id := info.ClientID
	l.is(id, "APP")
	l.want("an open registration", `{"actor":{"kind":"anonymous"},"app_client":"APP","event":"app_client.created","profile":"open"}`,
		`{"actor":{"kind":"anonymous"},"after":{"client_name":"Claude","grant_types":"authorization_code refresh_token",`+
			`"redirect_uris":["https://claude.ai/api/mcp/auth_callback"],"scope":"openid mcp/read mcp/write","state":"active","token_endpoint_auth_method":"none"},`+
			`"client_id":"APP","event":"registration.created","profile":"open"}`)
	if _, err := w.Update(t.Context(), id, rat, world.Update(t, world.PublicBody, id, "logo_uri", "https://claude.ai/logo.png")); err != nil {
		t.Fatal(err)
	}
	l.want("an update", `{"actor":{"id":"APP","kind":"client"},"app_client":"APP","event":"app_client.updated","profile":"open"}`,
		`{"actor":{"id":"APP","kind":"client"},"after":{"changed":["logo_uri"]},"client_id":"APP","event":"registration.updated","profile":"open"}`)
	w.Pool.FailCall("Delete", 1, fake.NotApplied)
	if err := w.Delete(t.Context(), id, rat); err == nil {
		t.Fatal("the deletion did not fail")
	}
	if err := w.Delete(t.Context(), id, rat); err != nil {
		t.Fatal(err)
	}
	l.want("a deletion that was repeated", `{"actor":{"id":"APP","kind":"client"},"after":{"state":"deleted"},"before":{"issued_at":"2026-11-21T12:30:00Z","state":"active"},`+
		`"client_id":"APP","event":"registration.deleted","profile":"open"}`,
		`{"actor":{"id":"APP","kind":"client"},"app_client":"APP","event":"app_client.removed","profile":"open"}`)
}

// If a process dies before it writes its events, the sweep writes them.
func TestAProcessThatDiedLeavesATrail(t *testing.T) {
	w, l := auditedDirect(t)
	w.Store.DieAt("ReplaceAppClient", 1, fake.NotApplied, w.Pool.Faults)
	w.MustRegister(world.PublicBody, credential.Token{})
	l.lines() // as if the process had died before it wrote them
	w.Store.Reset()
	w.Pool.Reset()
	w.Wait(5 * time.Minute)
	w.SweepOnce()
	var events []string
	for _, line := range l.lines() {
		var a struct {
			Event string
			Actor struct{ Kind string }
		}
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatal(err)
		}
		events = append(events, a.Event+" by "+a.Actor.Kind)
	}
	want := []string{"app_client.created by janitor", "registration.created by janitor"}
	if registered := slices.Collect(func(yield func(string) bool) {
		for r := range w.Inner.ListAllRegistrations(t.Context()) {
			yield(r.ClientID)
		}
	}); len(registered) != 1 || !slices.Equal(events, want) {
		t.Errorf("registered %q, and the trail has %q, want one and %q", registered, events, want)
	}
}

// Text from clients is cut to what an operator needs.
func TestTheTrailHasLittleTextOfClients(t *testing.T) {
	w, l := audited(t)
	tok, _ := w.Token("trusted", 1)
	uris := []string{"https://app.example.com/cb?key=of-their-own"}
	for range 9 {
		uris = append(uris, "https://app.example.com/"+strings.Repeat("x", 400+len(uris)))
	}
	body := world.MustJSON(t, map[string]any{
		"client_name": strings.Repeat("ü", 200), "redirect_uris": uris, "contacts": []string{"ada@example.com"},
		"token_endpoint_auth_method": "none", "client_uri": "https://app.example.com/",
	})
	info, rat := w.MustRegister(body, tok)
	if _, err := w.Update(t.Context(), info.ClientID, rat, world.Update(t, body, info.ClientID, "client_name", strings.Repeat("ä", 200))); err != nil {
		t.Fatal(err)
	}
	lines := l.lines()
	if len(lines) != 3 {
		t.Fatalf("%d lines, want 3", len(lines))
	}
	for _, line := range lines {
		if len(line) > 4000 {
			t.Errorf("a line of %d bytes, want 4000 at most", len(line))
		}
		for _, not := range []string{"of-their-own", "ada@", "\ufffd"} {
			if strings.Contains(line, not) {
				t.Errorf("%q is in %s", not, line)
			}
		}
	}
}

// Every run of the janitor writes gauges of the pool.
func TestEverySweepWritesGauges(t *testing.T) {
	w, l := audited(t)
	w.Branding = true
	w.Restart()
	for range 3 {
		id, _ := w.Vouched("trusted", world.ConfidentialBody)
		w.MustProvision(w.AppClientKey(id))
	}
	got := measured(t, w.Broker, nil)
	for m, want := range map[*telemetry.Metric]float64{
		telemetry.AppClientsHeld: 3, telemetry.StylesLeft: 17, telemetry.JanitorRuns: 1, telemetry.JanitorBacklog: 0, telemetry.JanitorFailures: 0,
	} {
		if got[m.Name] != want {
			t.Errorf("%s = %v, want %v", m.Name, got[m.Name], want)
		}
	}
	for _, m := range []*telemetry.Metric{telemetry.JanitorStopped, telemetry.AppClientsGone} {
		if v, ok := got[m.Name]; ok {
			t.Errorf("%s = %v, want it left out", m.Name, v)
		}
	}

	// Cognito is throttled: one call has failed, the other app clients wait.
	for range 2 {
		id, rat := w.Vouched("trusted", world.ConfidentialBody)
		w.MustProvision(w.AppClientKey(id))
		if err := w.Delete(t.Context(), id, rat); err != nil {
			t.Fatal(err)
		}
	}
	w.Pool.Reset()
	w.Pool.Around("Delete", func(func() error) error {
		return &broker.NotAppliedError{Err: dcr.Errorf(dcr.Unavailable, "too many requests")}
	})
	got = measured(t, w.On(w.Store, w.Pool), dcr.Errorf(dcr.Unavailable, ""))
	w.Pool.Reset()
	if got["JanitorFailures"] != 1.0 || got["JanitorBacklog"] != 1.0 || got["JanitorRuns"] != nil {
		t.Errorf("failures %v, backlog %v, runs %v, want 1, 1 and none", got["JanitorFailures"], got["JanitorBacklog"], got["JanitorRuns"])
	}
	l.Reset()

	// Another table.
	w.Inner = memory.NewStore(w.Now)
	w.Store = fake.NewStore(w.Inner)
	w.Restart()
	if got := measured(t, w.Broker, janitor.ErrForeignTable); got["JanitorStopped"] != 1.0 || got["JanitorRuns"] != nil {
		t.Errorf("stopped %v, runs %v, want 1 and none", got["JanitorStopped"], got["JanitorRuns"])
	}
}

// measured sweeps, and returns the log line with its metrics.
func measured(t *testing.T, s *world.Broker, want error) map[string]any {
	t.Helper()
	ctx, a := telemetry.Begin(t.Context(), "run")
	_, err := s.Sweep(ctx, janitor.Options{})
	if (err == nil) != (want == nil) {
		t.Fatalf("Sweep = %v, want %v", err, want)
	}
	var out bytes.Buffer
	a.Log(ctx, slog.New(slog.NewJSONHandler(&out, nil)), "swept")
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	return line
}

func TestDuplicatesAndAppClientsAreCounted(t *testing.T) {
	w, _ := audited(t)
	ctx, a := telemetry.Begin(t.Context(), "")
	var id string
	for n := range 3 {
		if n == 2 {
			w.Restart() // so that it is read from the table, not from the memory of the process
		}
		info, err := w.Register(ctx, world.Request(t, world.PublicBody), credential.Token{})
		if err != nil {
			t.Fatal(err)
		}
		id = info.ClientID
	}
	vouched, rat := w.Vouched("trusted", world.ConfidentialBody)
	if err := w.Provision(ctx, w.AppClientKey(vouched)); err != nil {
		t.Fatal(err)
	}
	if err := w.Delete(t.Context(), vouched, rat); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Sweep(ctx, janitor.Options{}); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	a.Log(ctx, slog.New(slog.NewJSONHandler(&out, nil)), "all")
	for _, want := range []string{`"DedupeHits":2`, `"AppClientsMade":1`, `"AppClientsRemoved":1`, `"profile":"open"`, `"client_id":"` + id + `"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the line does not have %s: %s", want, &out)
		}
	}
}

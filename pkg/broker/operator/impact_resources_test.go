package operator_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/test/world"
)

// A scope that two resources have is taken from one of them.
func TestImpactOfAScopeOfOneResource(t *testing.T) {
	const files, mail = "https://files.example.com/mcp", "https://mail.example.com/mcp"
	w := newChanged(t)
	bound := strings.NewReplacer(`"version": 1,`, `"version": 1, "resource_binding": true,`, `["mail/send"],`, `["mail/send", "files/read"],`).Replace(before)
	w.conf = parse(t, bound)
	after := parse(t, strings.Replace(bound, `["files/read", "files/write"]}`, `["files/write"]}`, 1))
	want := []string{"cut_off scope files/read at https://files.example.com/mcp: 2 clients, 2 grants, 0 tokens"}
	if got := texts(w.impact(after)); !slices.Equal(got, want) {
		t.Errorf("ImpactOf = %q, want %q", got, want)
	}
	// The grants are not for the other resource.
	other := parse(t, strings.Replace(bound, `["mail/send", "files/read"],`, `["mail/send"],`, 1))
	want = []string{"cut_off scope files/read at https://mail.example.com/mcp: 2 clients, 0 grants, 0 tokens"}
	if got := texts(w.impact(other)); !slices.Equal(got, want) {
		t.Errorf("ImpactOf = %q, want %q", got, want)
	}
	for _, id := range []string{w.fable, w.gable} {
		w.conf = parse(t, bound)
		if got := w.authorize(id, files, "files/read"); got != "signs in" {
			t.Errorf("before: %s", got)
		}
		w.conf = after
		if got := w.authorize(id, files, "files/read"); got != "invalid_scope" {
			t.Errorf("after: %s, want invalid_scope", got)
		}
		if got := w.authorize(id, mail, "files/read"); got != "signs in" {
			t.Errorf("after, for the other resource: %s", got)
		}
	}
}

// The first resource does not list openid, which each sign-in at Cognito has.
func TestImpactOfTheFirstResource(t *testing.T) {
	w := newChanged(t)
	all := strings.NewReplacer(`[{"name": "files/read"}`, `[{"name": "openid"}, {"name": "files/read"}`).Replace(before)
	i, j := strings.Index(all, `"protected_resources"`), strings.Index(all, `"open_registration"`)
	w.conf = parse(t, all[:i]+all[j:])
	info, _ := w.MustRegister(strings.ReplaceAll(fable, "Fable", "Table"), world.None)
	if scope := w.Registration(info.ClientID).Metadata.Scope; !strings.Contains(scope, "openid") {
		t.Fatalf("the client has the scopes %s, want openid among them", scope)
	}
	after := parse(t, all)
	if got := texts(w.impact(after)); got != nil {
		t.Errorf("ImpactOf = %q, want nothing", got)
	}
	w.conf = after
	if got := w.authorize(info.ClientID, "https://files.example.com/mcp", "files/read"); got != "signs in" {
		t.Errorf("with resources: %s", got)
	}
}

// A server with a scope of its own is added. A registered client gets the scope
// only when it registers again.
func TestImpactOfANewScope(t *testing.T) {
	const notes = "https://notes.example.com/mcp"
	w := newChanged(t)
	after := parse(t, strings.NewReplacer(`{"name": "mail/send"}]`, `{"name": "mail/send"}, {"name": "notes/read"}]`,
		`"protected_resources": [`, `"protected_resources": [{"resource": "https://notes.example.com/mcp", "scopes": ["notes/read"]},`).Replace(before))
	want := []string{"register_again new_scope notes/read: 2 clients, 0 grants, 0 tokens"}
	if got := texts(w.impact(after)); !slices.Equal(got, want) {
		t.Errorf("ImpactOf = %q, want %q", got, want)
	}
	w.conf = after
	if got := w.authorize(w.fable, notes, "notes/read"); got != "invalid_scope" {
		t.Errorf("the registered client: %s, want invalid_scope", got)
	}
	p, _ := after.Policy.Profile("open")
	if _, err := w.Broker.Maintainer.ApplyProfile(t.Context(), p, "ops"); err != nil {
		t.Fatal(err)
	}
	if got := w.authorize(w.fable, notes, "notes/read"); got != "invalid_scope" {
		t.Errorf("the registered client, when the app client has the scope: %s, want invalid_scope", got)
	}
	info, _ := w.MustRegister(fable, world.None)
	if got := w.authorize(info.ClientID, notes, "notes/read"); got != "signs in" {
		t.Errorf("the client that has registered again: %s", got)
	}
}

// Tokens are not bound to their resource any more.
func TestImpactOfUnboundTokens(t *testing.T) {
	w := newChanged(t)
	w.conf = parse(t, strings.Replace(before, `"version": 1,`, `"version": 1, "resource_binding": true,`, 1))
	want := []string{"unknown resource_binding false: 0 clients, 0 grants, 0 tokens"}
	if got := texts(w.impact(parse(t, before))); !slices.Equal(got, want) {
		t.Errorf("ImpactOf = %q, want %q", got, want)
	}
}

package contract

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/direct"
	"github.com/dcr-broker/dcr-broker/pkg/broker/janitor"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// A Pool is a user pool, as far as direct mode and the janitor use it.
type Pool interface {
	direct.Pool
	janitor.Pool
}

// TestAppClients tests that an implementation keeps the contracts of direct.Pool
// and janitor.Pool. open is called for each test and returns a pool without app
// clients. If the implementation limits its rate of calls, it must not wait in
// real time.
func TestAppClients(t *testing.T, open func(t *testing.T) Pool) {
	for _, tt := range []struct {
		name string
		run  func(t *testing.T, a Pool)
	}{
		{"a confidential client has a secret and a public one has none", secretIffConfidential},
		{"create with the same marker makes another app client", createTwice},
		{"an invalid marker is refused", refusesBadMarker},
		{"list yields every page and stops when the loop ends", listPages},
		{"update calls check with the secret, which stays the same", updateChecksSecret},
		{"an update that check refuses changes nothing", updateRefusedByCheck},
		{"an update of an absent app client is not found", updateAbsent},
		{"update does not make a public client confidential", updateToConfidential},
		{"delete can be repeated", deleteTwice},
		{"an app client exists until it is deleted", existsUntilDeleted},
		{"an app client with another marker is not changed", leavesOthersAlone},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, open(t)) })
	}
}

func appClientMetadata(method string) dcr.ClientMetadata {
	return dcr.ClientMetadata{
		RedirectURIs:            []string{"https://client.example/cb"},
		TokenEndpointAuthMethod: method,
		GrantTypes:              []string{dcr.GrantAuthorizationCode, dcr.GrantRefreshToken},
		ResponseTypes:           []string{dcr.ResponseTypeCode},
		ClientName:              "A client (of the contract)",
		Scope:                   "openid email",
	}
}

func create(t *testing.T, a Pool, marker, method string) broker.NewAppClient {
	t.Helper()
	n, err := a.Create(t.Context(), marker, appClientMetadata(method))
	if err != nil || n.ID == "" {
		t.Fatalf("Create = %q, %v, want an id and no error", n.ID, err)
	}
	return n
}

// listed returns the markers of all app clients, by id.
func listed(t *testing.T, a Pool) map[string]string {
	t.Helper()
	markers := map[string]string{}
	for l, err := range a.List(t.Context()) {
		if err != nil {
			t.Fatalf("List = %v, want no error", err)
		}
		if _, twice := markers[l.ID]; twice {
			t.Errorf("List yields %s twice", l.ID)
		}
		markers[l.ID] = l.Marker
	}
	return markers
}

func wantListed(t *testing.T, a Pool, want map[string]string) {
	t.Helper()
	if got := listed(t, a); !maps.Equal(got, want) {
		t.Errorf("List yields %v, want %v", got, want)
	}
}

func wantNotApplied(t *testing.T, call string, err error) {
	t.Helper()
	if _, ok := errors.AsType[*broker.NotAppliedError](err); !ok {
		t.Errorf("%s = %v, want a *broker.NotAppliedError", call, err)
	}
}

func secretIffConfidential(t *testing.T, a Pool) {
	for method, want := range map[string]bool{dcr.AuthNone: false, dcr.AuthSecretBasic: true, dcr.AuthSecretPost: true} {
		n := create(t, a, credential.NewID(), method)
		if got := n.Secret != ""; got != want {
			t.Errorf("Create with %s gives a secret: %t, want %t", method, got, want)
		}
	}
}

func createTwice(t *testing.T, a Pool) {
	marker := credential.NewID()
	one, two := create(t, a, marker, dcr.AuthNone), create(t, a, marker, dcr.AuthNone)
	wantListed(t, a, map[string]string{one.ID: marker, two.ID: marker})
}

func refusesBadMarker(t *testing.T, a Pool) {
	for _, marker := range []string{"", "short", strings.Repeat("A", 26), credential.NewID() + "x"} {
		_, err := a.Create(t.Context(), marker, appClientMetadata(dcr.AuthNone))
		wantNotApplied(t, "Create with marker "+marker, err)
	}
	wantListed(t, a, map[string]string{})
}

func listPages(t *testing.T, a Pool) {
	want := map[string]string{}
	for range 61 { // Cognito lists at most 60 at once
		marker := credential.NewID()
		want[create(t, a, marker, dcr.AuthNone).ID] = marker
	}
	wantListed(t, a, want)
	n := 0
	for range a.List(t.Context()) {
		if n++; n == 2 {
			break
		}
	}
	if n != 2 {
		t.Errorf("List yields %d app clients to a loop that ends at the second", n)
	}
}

func updateChecksSecret(t *testing.T, a Pool) {
	marker := credential.NewID()
	n := create(t, a, marker, dcr.AuthSecretBasic)
	for range 2 {
		var seen string
		err := a.Update(t.Context(), n.ID, marker, appClientMetadata(dcr.AuthSecretPost), func(secret string) error {
			seen = secret
			return nil
		})
		if err != nil || seen != n.Secret {
			t.Errorf("Update = %v and called check with the right secret: %t, want no error and true", err, seen == n.Secret)
		}
	}
	if err := a.Update(t.Context(), n.ID, marker, appClientMetadata(dcr.AuthSecretBasic), nil); err != nil {
		t.Errorf("Update without check = %v, want no error", err)
	}
	wantListed(t, a, map[string]string{n.ID: marker})
}

func updateRefusedByCheck(t *testing.T, a Pool) {
	marker := credential.NewID()
	n := create(t, a, marker, dcr.AuthSecretBasic)
	wrong := errors.New("wrong secret")
	err := a.Update(t.Context(), n.ID, marker, appClientMetadata(dcr.AuthSecretBasic), func(string) error { return wrong })
	e, ok := errors.AsType[*broker.NotAppliedError](err)
	if !ok || e.Err != wrong {
		t.Errorf("Update = %v, want the error of check in a *broker.NotAppliedError", err)
	}
}

func updateAbsent(t *testing.T, a Pool) {
	marker := credential.NewID()
	n := create(t, a, marker, dcr.AuthNone)
	if err := a.Delete(t.Context(), n.ID, marker); err != nil {
		t.Fatalf("Delete = %v, want no error", err)
	}
	err := a.Update(t.Context(), n.ID, marker, appClientMetadata(dcr.AuthNone), func(string) error {
		t.Error("check was called for an absent app client")
		return nil
	})
	wantNotApplied(t, "Update", err)
	if !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("Update = %v, want broker.ErrNotFound", err)
	}
}

func updateToConfidential(t *testing.T, a Pool) {
	marker := credential.NewID()
	for from, to := range map[string]string{dcr.AuthNone: dcr.AuthSecretBasic, dcr.AuthSecretBasic: dcr.AuthNone} {
		n := create(t, a, marker, from)
		wantNotApplied(t, "Update from "+from+" to "+to, a.Update(t.Context(), n.ID, marker, appClientMetadata(to), nil))
	}
}

func deleteTwice(t *testing.T, a Pool) {
	marker := credential.NewID()
	n := create(t, a, marker, dcr.AuthNone)
	other := create(t, a, marker, dcr.AuthNone)
	for range 2 {
		if err := a.Delete(t.Context(), n.ID, marker); err != nil {
			t.Errorf("Delete = %v, want no error", err)
		}
	}
	wantListed(t, a, map[string]string{other.ID: marker})
}

func leavesOthersAlone(t *testing.T, a Pool) {
	marker := credential.NewID()
	n := create(t, a, marker, dcr.AuthNone)
	another := credential.NewID()
	wantNotApplied(t, "Delete", a.Delete(t.Context(), n.ID, another))
	err := a.Update(t.Context(), n.ID, another, appClientMetadata(dcr.AuthNone), nil)
	wantNotApplied(t, "Update", err)
	if errors.Is(err, broker.ErrNotFound) {
		t.Errorf("Update = %v, want another error, since the app client exists", err)
	}
	if got := slices.Collect(maps.Values(listed(t, a))); !slices.Equal(got, []string{marker}) {
		t.Errorf("List yields the markers %q, want only %q", got, marker)
	}
}

func existsUntilDeleted(t *testing.T, a Pool) {
	marker := credential.NewID()
	n := create(t, a, marker, dcr.AuthNone)
	wantExists := func(id string, want bool) {
		t.Helper()
		if got, err := a.Exists(t.Context(), id); err != nil || got != want {
			t.Errorf("Exists = %t, %v, want %t", got, err, want)
		}
	}
	wantExists(n.ID, true)
	if err := a.Delete(t.Context(), n.ID, marker); err != nil {
		t.Fatal(err)
	}
	wantExists(n.ID, false)
	wantExists("1234567890abcdefghijklmnop", false)
}

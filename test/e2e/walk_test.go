package e2e

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/tool/walk"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

func TestWalk(t *testing.T) { each(t, testWalk) }

func testWalk(t *testing.T, d *deployment) {
	walks := []struct {
		name, method string // method "" is open registration
	}{
		{"public client", ""},
		{"confidential client, secret in the header", "client_secret_basic"},
		{"confidential client, secret in the body", "client_secret_post"},
	}
	for _, tt := range walks {
		t.Run(tt.name, func(t *testing.T) {
			var o walk.Options
			if tt.method != "" {
				d.needsInitialAccessToken(t)
				o.InitialAccessToken, o.AuthMethod = d.initialAccessToken, tt.method
			}
			d.walk(t, o)
		})
	}
}

// walk runs a walk at the deployment with the options.
func (d *deployment) walk(t *testing.T, o walk.Options) walk.Outcome {
	t.Helper()
	d.needsUser(t)
	o.MCP, o.Username, o.Password = d.mcp, d.username, d.password
	var report strings.Builder
	got, err := walk.Run(t.Context(), &report, o)
	if err != nil {
		t.Fatalf("%v\n%s", err, report.String())
	}
	return got
}

// A native client with a stored registration uses another port every time (RFC
// 8252 §7.3). This is impossible in direct mode: Cognito compares ports.
func TestTenPortsOnOneRegistration(t *testing.T) {
	each(t, testTenPortsOnOneRegistration, broker.ModeBrokered)
}

func testTenPortsOnOneRegistration(t *testing.T, d *deployment) {
	r := d.register(t, publicClient)
	for range 10 {
		d.walk(t, walk.Options{ClientID: r.id})
	}
}

// A native client that registers each time, as most do, gets the same client
// id.
func TestTenRegistrationsAreOneClient(t *testing.T) {
	each(t, testTenRegistrationsAreOneClient, broker.ModeBrokered)
}

func testTenRegistrationsAreOneClient(t *testing.T, d *deployment) {
	first := d.walk(t, walk.Options{}).ClientID
	for range 9 {
		if got := d.walk(t, walk.Options{}).ClientID; got != first {
			t.Fatalf("client_id = %s, want %s as before", got, first)
		}
	}
}

// Openly registered clients share an app client, so that strangers cannot use
// up the pool. A client with an initial access token has its own.
func TestAppClients(t *testing.T) { each(t, testAppClients, broker.ModeBrokered) }

func testAppClients(t *testing.T, d *deployment) {
	other := d.register(t, strings.Replace(publicClient, `"e2e"`, `"e2e, another"`, 1))
	shared := appClientOf(t, d.walk(t, walk.Options{}))
	if got := appClientOf(t, d.walk(t, walk.Options{ClientID: other.id})); got != shared {
		t.Errorf("app client = %s of another open registration, want the shared one, %s", got, shared)
	}
	d.needsInitialAccessToken(t)
	// The clients of another profile have another app client, which they share, too.
	vouched := appClientOf(t, d.confidential(t).Outcome)
	another := appClientOf(t, d.walk(t, walk.Options{InitialAccessToken: d.initialAccessToken}))
	if vouched == shared || another != vouched {
		t.Errorf("app clients = %s and %s with an initial access token, %s of open registrations; want one for each profile", vouched, another, shared)
	}
}

// appClientOf returns client_id of the access token: the app client at Cognito.
// The walk's MCP server has verified the token.
func appClientOf(t *testing.T, o walk.Outcome) string {
	t.Helper()
	var claims struct {
		ClientID string `json:"client_id"`
	}
	parts := strings.Split(o.AccessToken, ".")
	if len(parts) != 3 {
		t.Fatal("the access token is not a JWT")
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(raw, &claims)
	}
	if err != nil || claims.ClientID == "" || claims.ClientID == o.ClientID {
		t.Fatalf("client_id in the access token = %q (%v), want an app client", claims.ClientID, err)
	}
	return claims.ClientID
}

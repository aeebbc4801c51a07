package world

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"log/slog"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/pkg/strict"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// DirectPolicy is a policy of direct mode.
const DirectPolicy = `{
  "version": 1,
  "open_registration": "open",
  "profiles": {
    "open": {
      "redirect_uris": {
        "presets": [
          "chatgpt", "claude", "claude-code", "codex", "cursor", "gemini-cli",
          "inspector", "mcp-remote", "opencode", "vscode"
        ],
        "loopback": true
      },
      "grant_types": ["authorization_code", "refresh_token"],
      "token_endpoint_auth_methods": ["none"],
      "limits": { "app_clients": 500, "creations_per_hour": 100 }
    },
    "trusted": {
      "redirect_uris": { "presets": ["cursor"], "loopback": true, "any_https": true, "any_private_use": true },
      "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
      "token_endpoint_auth_methods": ["client_secret_basic", "client_secret_post", "none"]
    }
  }
}`

// BrokeredPolicy is a policy of brokered mode with a profile of each sort.
const BrokeredPolicy = `{"version":1,"open_registration":"open","profiles":{
	"open":{"redirect_uris":{"presets":["claude"],"loopback":true,"https":["https://*.apps.example.com/cb"]},"limits":{"app_clients":5}},
	"trusted":{"redirect_uris":{"any_https":true,"loopback":true},"app_client":"dedicated",
		"grant_types":["authorization_code","refresh_token","client_credentials"],
		"token_endpoint_auth_methods":["client_secret_basic","client_secret_post","none"],"limits":{"app_clients":5}},
	"short":{"redirect_uris":{"any_https":true},"app_client":"dedicated","lifetimes":{"unconfirmed":"2h"}},
	"together":{"redirect_uris":{"any_https":true},"app_client":"shared"}}}`

// DirectScopes are the scopes of the user pool in direct mode.
var DirectScopes = []string{"openid", "mcp/read", "mcp/write"}

// BrokeredScopes are the scopes of the user pool.
var BrokeredScopes = []string{"openid", "mcp/read", "mcp/write"}

// LifePolicy is a policy of brokered mode with lifetimes.
const LifePolicy = `{"version":1,"open_registration":"open","profiles":{
	"open":{"redirect_uris":{"presets":["claude"]},"limits":{"app_clients":5},"lifetimes":{"inactive":"3d","unconfirmed":"4d"}},
	"trusted":{"redirect_uris":{"any_https":true},"app_client":"dedicated","limits":{"app_clients":5},"lifetimes":{"inactive":"3d","absolute":"30d"},
		"token_endpoint_auth_methods":["client_secret_basic","none"]},
	"lasting":{"redirect_uris":{"any_https":true},"app_client":"shared"},
	"asked":{"redirect_uris":{"any_https":true},"app_client":"dedicated","approval":"manual","limits":{"app_clients":5},"lifetimes":{"inactive":"3d"}}}}`

// BrokeredPolicyWithout returns a policy without the profile of that name, which
// other policies of this package have.
func BrokeredPolicyWithout(string) string {
	return `{"version":1,"profiles":{"other":{"redirect_uris":{"any_https":true}}}}`
}

// Day is a day.
const Day = 24 * time.Hour

// Start is the time at which each world begins.
var Start = time.Date(2026, 11, 21, 12, 30, 0, 0, time.UTC)

// Bodies of registrations.
const (
	PublicBody       = `{"client_name":"Claude","redirect_uris":["https://claude.ai/api/mcp/auth_callback"],"token_endpoint_auth_method":"none"}`
	ConfidentialBody = `{"client_name":"App","redirect_uris":["https://app.example.com/cb"],"token_endpoint_auth_method":"client_secret_basic"}`
	AppBody          = `{"client_name":"App","redirect_uris":["https://app.example.com/cb"],"token_endpoint_auth_method":"none"}`
)

// Request decodes the body of a registration.
func Request(t testing.TB, body string) *dcr.Request {
	t.Helper()
	req, err := dcr.Decode([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// Update decodes the body of a PUT: that of a registration with more members.
func Update(t testing.TB, body, clientID string, more ...any) *dcr.Request {
	t.Helper()
	members := map[string]any{}
	if err := json.Unmarshal([]byte(body), &members); err != nil {
		t.Fatal(err)
	}
	members["client_id"] = clientID
	for i := 0; i < len(more); i += 2 {
		members[more[i].(string)] = more[i+1]
	}
	b := must.Marshal(t, members)
	return Request(t, string(b))
}

// WantCode checks the code of an error, and returns the *dcr.Error.
func WantCode(t testing.TB, what string, err error, want dcr.Code) *dcr.Error {
	t.Helper()
	e, ok := errors.AsType[*dcr.Error](err)
	if !ok || e.Code != want {
		t.Errorf("%s: error = %v, want %s", what, err, want)
		return &dcr.Error{}
	}
	return e
}

// DueAppClients yields the keys of the app client records that are due at now.
func DueAppClients(ctx context.Context, s broker.Store, now time.Time) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for d, err := range s.Due(ctx, now, "") {
			if (d.Kind == broker.DueAppClient || err != nil) && !yield(d.Key, err) {
				return
			}
		}
	}
}

// MustJSON returns v as JSON.
func MustJSON(t testing.TB, v any) string {
	t.Helper()
	b := must.Marshal(t, v)
	return string(b)
}

// Discard is a log that is not read.
var Discard = slog.New(slog.DiscardHandler)

// None is no token.
var None credential.Token

// CIBody registers a client with client_credentials, whose profile gives the
// scopes.
const CIBody = `{"client_name":"CI","grant_types":["client_credentials"],"token_endpoint_auth_method":"client_secret_basic"}`

// MachineBody registers a client with client_credentials and scopes.
const MachineBody = `{"client_name":"Job","grant_types":["client_credentials"],"scope":"mcp/write mcp/read"}`

// ParsePolicy returns the policy of a document with these profiles. The
// deployment has these scopes.
func ParsePolicy(t testing.TB, mode broker.Mode, document string, scopes []string) *policy.Policy {
	t.Helper()
	var f strict.Faults
	tree, _ := strict.Read([]byte(document), configuration.MaxSize, &f)
	var o configuration.Document
	strict.Decode("", tree, &o, &f)
	p := policy.Check(o.Document, mode, scopes, &f)
	if err := f.Err(); err != nil {
		t.Fatal(err)
	}
	return p
}

package policy_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/must"
)

const admin = "aws.cognito.signin.user.admin"

// profiles has one profile for each kind of rule about grant types, methods and
// scopes.
const profiles = `{
  "version": 1,
  "open_registration": "open",
  "profiles": {
    "open":       {"redirect_uris": {"loopback": true}, "scopes": {"allowed": ["mcp/read", "mcp/write"]}},
    "no-refresh": {"redirect_uris": {"loopback": true}, "grant_types": ["authorization_code"]},
    "public":     {"redirect_uris": {"loopback": true}},
    "post":       {"redirect_uris": {"loopback": true}, "token_endpoint_auth_methods": ["none", "client_secret_post"],
                   "grant_types": ["authorization_code", "client_credentials"]},
    "machine":    {"grant_types": ["client_credentials"], "token_endpoint_auth_methods": ["client_secret_post", "client_secret_basic"],
                   "scopes": {"allowed": ["openid", "email", "mcp/read", "mcp/write", "aws.cognito.signin.user.admin"], "default": ["openid", "mcp/read"]}},
    "user-only":  {"redirect_uris": {"loopback": true}, "grant_types": ["authorization_code", "client_credentials"],
                   "token_endpoint_auth_methods": ["client_secret_basic"], "scopes": {"allowed": ["openid", "email"]}},
    "reader":     {"grant_types": ["client_credentials"], "token_endpoint_auth_methods": ["client_secret_basic"], "scopes": {"allowed": ["mcp/read"]}},
    "signs-in":   {"grant_types": ["client_credentials"], "token_endpoint_auth_methods": ["client_secret_basic"],
                   "scopes": {"allowed": ["openid", "mcp/read"], "default": ["openid"]}},
    "bare":       {"redirect_uris": {"loopback": true}, "scopes": {"allowed": ["openid", "mcp/read"], "default": ["openid"]}},
    "all":        {"redirect_uris": {"loopback": true, "any_https": true, "any_private_use": true},
                   "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
                   "token_endpoint_auth_methods": ["none", "client_secret_basic", "client_secret_post"],
                   "scopes": {"allowed": ["openid", "email", "mcp/read", "mcp/write"], "default": ["openid", "mcp/read"]}}
  }
}`

var wide = offer{scopes: []string{"openid", "email", "phone", "profile", admin, "mcp/read", "mcp/write"}}

// register decodes, validates and applies the profile to a body, as a
// registration does before it has an effect.
func register(t *testing.T, p *policy.Profile, body string) (dcr.ClientMetadata, error) {
	t.Helper()
	r, err := dcr.Decode([]byte(body))
	if err != nil {
		t.Fatalf("Decode(%s): %v", body, err)
	}
	m, err := dcr.Validate(r.Metadata)
	if err != nil {
		t.Fatalf("Validate(%s): %v", body, err)
	}
	out, err := p.Apply(m)
	return out.ClientMetadata, err
}

func TestApply(t *testing.T) {
	const (
		loopback = `"redirect_uris": ["http://localhost/"]`
		machine  = `"grant_types": ["client_credentials"]`
	)
	tests := []struct {
		profile, body string
		want          string // some members of the result, or the code of the refusal
	}{
		// Methods.
		{"open", `{` + loopback + `}`, `{"token_endpoint_auth_method": "none"}`},
		{"open", `{` + loopback + `, "token_endpoint_auth_method": "client_secret_basic"}`, `{"token_endpoint_auth_method": "none"}`},
		{"open", `{` + loopback + `, "token_endpoint_auth_method": "private_key_jwt"}`, `{"token_endpoint_auth_method": "none"}`},
		{"all", `{` + loopback + `}`, `{"token_endpoint_auth_method": "client_secret_basic"}`},
		{"all", `{` + loopback + `, "token_endpoint_auth_method": "none"}`, `{"token_endpoint_auth_method": "none"}`},
		{"all", `{` + loopback + `, "token_endpoint_auth_method": "client_secret_post"}`, `{"token_endpoint_auth_method": "client_secret_post"}`},
		{"all", `{` + loopback + `, "token_endpoint_auth_method": "private_key_jwt"}`, "invalid_client_metadata"}, // no profile can allow it
		{"public", `{` + loopback + `}`, `{"token_endpoint_auth_method": "none"}`},
		{"public", `{` + loopback + `, "token_endpoint_auth_method": "client_secret_post"}`, "insufficient_scope"},
		{"post", `{` + loopback + `}`, `{"token_endpoint_auth_method": "none"}`},              // the first of the profile
		{"post", `{` + machine + `}`, `{"token_endpoint_auth_method": "client_secret_post"}`}, // the first with a secret
		{"post", `{` + machine + `, "token_endpoint_auth_method": "none"}`, "invalid_client_metadata"},
		{"machine", `{` + machine + `}`, `{"token_endpoint_auth_method": "client_secret_basic"}`}, // RFC 7591's default comes before the profile's first

		// Grant types.
		{"open", `{` + loopback + `, "grant_types": ["authorization_code"]}`,
			`{"grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"]}`},
		{"open", `{` + machine + `}`, "invalid_client_metadata"},
		{"no-refresh", `{` + loopback + `}`, `{"grant_types": ["authorization_code"], "response_types": ["code"]}`},
		{"public", `{` + machine + `}`, "insufficient_scope"},
		{"machine", `{` + loopback + `}`, "insufficient_scope"},
		{"all", `{` + machine + `, "redirect_uris": ["http://localhost/"], "response_types": ["code"]}`,
			`{"grant_types": ["client_credentials"], "redirect_uris": [], "response_types": []}`},

		// Redirect URIs.
		{"open", `{"redirect_uris": ["https://evil.example/", "http://localhost/", "com.example:/"]}`, `{"redirect_uris": ["http://localhost/"]}`},
		{"open", `{"redirect_uris": ["https://evil.example/"]}`, "invalid_redirect_uri"},
		{"public", `{"redirect_uris": ["https://evil.example/"]}`, "invalid_redirect_uri"},

		// Scopes.
		{"open", `{` + loopback + `}`, `{"scope": "mcp/read mcp/write"}`},
		{"open", `{` + loopback + `, "scope": "mcp/write"}`, `{"scope": "mcp/read mcp/write"}`},
		{"open", `{` + loopback + `, "scope": "something else ` + admin + `"}`, `{"scope": "mcp/read mcp/write"}`},
		{"all", `{` + loopback + `}`, `{"scope": "openid mcp/read"}`},
		{"all", `{` + loopback + `, "scope": "mcp/write unknown openid ` + admin + `"}`, `{"scope": "mcp/write openid"}`},
		{"all", `{` + loopback + `, "scope": "email mcp/read"}`, `{"scope": "openid email mcp/read"}`}, // Cognito has no email without openid
		{"all", `{` + loopback + `, "scope": "unknown"}`, `{"scope": "openid mcp/read"}`},
		{"all", `{` + loopback + `, "scope": "unknown phone"}`, "insufficient_scope"},            // another profile may allow phone
		{"all", `{` + loopback + `, "scope": "openid"}`, `{"scope": "openid"}`},                  // in direct mode it is of use
		{"all", `{` + loopback + `, "scope": "offline_access"}`, `{"scope": "openid mcp/read"}`}, // dropped by Validate, so the default applies
		{"all", `{` + machine + `, "scope": "openid email mcp/write"}`, `{"scope": "mcp/write"}`},
		{"all", `{` + machine + `, "scope": "openid email"}`, `{"scope": "mcp/read"}`}, // no profile allows these to a machine
		{"all", `{` + machine + `, "scope": "unknown"}`, `{"scope": "mcp/read"}`},
		{"reader", `{` + machine + `, "scope": "mcp/write unknown"}`, "insufficient_scope"},
		{"machine", `{` + machine + `}`, `{"scope": "mcp/read"}`},
		{"machine", `{` + machine + `, "scope": "` + admin + ` mcp/read"}`, `{"scope": "mcp/read"}`},
		{"user-only", `{` + machine + `}`, "invalid_client_metadata"},
		{"user-only", `{` + machine + `, "scope": "unknown"}`, "invalid_client_metadata"},
		{"user-only", `{` + machine + `, "scope": "mcp/read"}`, "insufficient_scope"},
		{"signs-in", `{` + machine + `}`, "invalid_client_metadata"},
	}
	p := parse(t, profiles, wide)
	for _, tt := range tests {
		t.Run(tt.profile+" "+tt.body, func(t *testing.T) {
			got, err := register(t, profile(t, p, tt.profile), tt.body)
			if err != nil {
				if code := string(codeOf(err)); code != tt.want {
					t.Errorf("refused: %v, want %s", err, tt.want)
				}
				return
			}
			b := must.Marshal(t, got)
			var answer, want map[string]any
			if err := json.Unmarshal(b, &answer); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(tt.want), &want); err != nil {
				t.Fatalf("got %s, want refusal %s", b, tt.want)
			}
			for name, v := range want {
				if !reflect.DeepEqual(answer[name], v) {
					t.Errorf("%s = %v, want %v", name, answer[name], v)
				}
			}
		})
	}
}

// In brokered mode openid alone would be a client that can do nothing, and is
// never offered.
func TestOpenIDIsNoScopeOfABrokeredClient(t *testing.T) {
	document := strings.Replace(profiles, `, "`+admin+`"`, "", 1) // which brokered mode does not have
	p := parse(t, document, offer{scopes: []string{"openid", "email", "phone", "mcp/read", "mcp/write"}, mode: broker.ModeBrokered})
	for _, tt := range []struct{ profile, scope, want string }{
		{"all", "openid", "openid mcp/read"},
		{"all", "openid profile offline_access", "openid mcp/read"}, // the deployment has no profile
		{"all", "openid mcp/write", "openid mcp/write"},
		{"all", "openid email", "openid email"},
		{"all", "openid phone", "insufficient_scope: scope: none of those asked for is allowed here; allowed: email mcp/read mcp/write"},
		{"signs-in", "openid", "invalid_client_metadata: scope: there is no default for client_credentials here; ask for one of: mcp/read"},
		{"bare", "openid", "openid"}, // the operator's default
	} {
		body := `{"redirect_uris": ["http://localhost/"], "scope": "` + tt.scope + `"}`
		if tt.profile == "signs-in" {
			body = `{"grant_types": ["client_credentials"], "scope": "` + tt.scope + `"}`
		}
		m, err := register(t, profile(t, p, tt.profile), body)
		got := m.Scope
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: scope %q: %q, want %q", tt.profile, tt.scope, got, tt.want)
		}
	}
}

func TestRefusalsNameWhatIsAllowed(t *testing.T) {
	tests := []struct{ profile, body, want string }{
		{"open", `{"grant_types": ["client_credentials"]}`,
			"invalid_client_metadata: grant_types: none of those asked for is allowed here; allowed: authorization_code, refresh_token"},
		{"public", `{"redirect_uris": ["http://localhost/"], "token_endpoint_auth_method": "client_secret_post"}`,
			"insufficient_scope: token_endpoint_auth_method: 'client_secret_post' is not allowed here; allowed: none"},
		{"all", `{"redirect_uris": ["http://localhost/"], "scope": "phone"}`,
			"insufficient_scope: scope: none of those asked for is allowed here; allowed: openid email mcp/read mcp/write"},
		{"reader", `{"grant_types": ["client_credentials"], "scope": "mcp/write"}`,
			"insufficient_scope: scope: none of those asked for is allowed here; allowed: mcp/read"},
		{"signs-in", `{"grant_types": ["client_credentials"]}`,
			"invalid_client_metadata: scope: there is no default for client_credentials here; ask for one of: mcp/read"},
		{"user-only", `{"grant_types": ["client_credentials"]}`,
			"invalid_client_metadata: scope: client_credentials needs a scope of a resource server, and none is allowed here"},
	}
	p := parse(t, profiles, wide)
	for _, tt := range tests {
		if _, err := register(t, profile(t, p, tt.profile), tt.body); err == nil || err.Error() != tt.want {
			t.Errorf("%s: %s\n got %v\nwant %s", tt.profile, tt.body, err, tt.want)
		}
	}
}

func TestApplyRequiresARedirectURIForTheCodeGrant(t *testing.T) {
	// dcr.Validate checks this too; without it a client without redirect URIs
	// must not be registered.
	open, _ := parse(t, profiles, wide).Open()
	_, err := apply(open, dcr.ClientMetadata{GrantTypes: []string{dcr.GrantAuthorizationCode}})
	if code := codeOf(err); code != dcr.InvalidRedirectURI {
		t.Errorf("Apply = %v, want code %q", err, dcr.InvalidRedirectURI)
	}
}

func TestApplySharesNoMemoryWithItsInput(t *testing.T) {
	open, _ := parse(t, profiles, wide).Open()
	in := dcr.ClientMetadata{
		RedirectURIs: []string{"http://localhost/"}, GrantTypes: []string{dcr.GrantAuthorizationCode},
		Contacts: []string{"a@example.com"}, Localized: map[string]string{"client_name#de": "Eins"},
	}
	out, err := apply(open, in)
	if err != nil {
		t.Fatal(err)
	}
	in.RedirectURIs[0], in.GrantTypes[0], in.Contacts[0], in.Localized["client_name#de"] = "x", "x", "x", "x"
	if out.RedirectURIs[0] == "x" || out.GrantTypes[0] == "x" || out.Contacts[0] == "x" || out.Localized["client_name#de"] == "x" {
		t.Errorf("the result became %+v when the caller wrote to the input", out)
	}
}

// FuzzApply checks the rules that hold for any metadata under any profile.
func FuzzApply(f *testing.F) {
	f.Add("http://localhost/", "https://claude.ai/api/mcp/auth_callback", "authorization_code", "none", "mcp/read email")
	f.Add("com.example.app:/cb", "https://evil.example/", "client_credentials", "client_secret_basic", "openid "+admin)
	f.Add("", "cursor://claude.ai/", "refresh_token", "private_key_jwt", "")
	f.Add("\x00", "http://localhost\\@evil", "", "", "  a\tb ")
	var all []*policy.Profile
	for _, p := range []*policy.Policy{parse(f, profiles, wide), example(f, broker.ModeDirect)} {
		for _, name := range p.Profiles() {
			all = append(all, profile(f, p, name))
		}
	}
	f.Fuzz(func(t *testing.T, uri1, uri2, grant, method, scope string) {
		in := dcr.ClientMetadata{
			RedirectURIs: []string{uri1, uri2}, GrantTypes: []string{grant, dcr.GrantRefreshToken},
			ResponseTypes: []string{"token"}, TokenEndpointAuthMethod: method, Scope: scope, ClientName: "x",
		}
		before := in.Clone()
		for _, p := range all {
			out, err := apply(p, in)
			if !reflect.DeepEqual(in, before) {
				t.Fatalf("%s: the input became %+v, was %+v", p.Name(), in, before)
			}
			if err != nil {
				if codeOf(err) == "" {
					t.Fatalf("%s: error %v (%T), want a *dcr.Error", p.Name(), err, err)
				}
				continue
			}
			checkGrant(t, p, in, out)
			again, err := apply(p, out)
			if err != nil || !reflect.DeepEqual(again, out) {
				t.Fatalf("%s: applied to its own result: %+v, %v, want %+v", p.Name(), again, err, out)
			}
		}
	})
}

// checkGrant checks that out has only values that in requests and p allows.
func checkGrant(t *testing.T, p *policy.Profile, in, out dcr.ClientMetadata) {
	t.Helper()
	code := slices.Contains(out.GrantTypes, dcr.GrantAuthorizationCode)
	machine := slices.Contains(out.GrantTypes, dcr.GrantClientCredentials)
	if code == machine {
		t.Errorf("%s: grant_types = %q, want either authorization_code or client_credentials", p.Name(), out.GrantTypes)
	}
	if code != (len(out.RedirectURIs) > 0) {
		t.Errorf("%s: grant_types = %q with redirect_uris = %q", p.Name(), out.GrantTypes, out.RedirectURIs)
	}
	for _, raw := range out.RedirectURIs {
		if _, err := dcr.ParseRedirectURI(raw); err != nil || !slices.Contains(in.RedirectURIs, raw) {
			t.Errorf("%s: redirect URI %q (%v) of %q", p.Name(), raw, err, in.RedirectURIs)
		}
	}
	if err := dcr.CheckAuthMethod(out); err != nil || out.TokenEndpointAuthMethod == "" {
		t.Errorf("%s: token_endpoint_auth_method = %q: %v", p.Name(), out.TokenEndpointAuthMethod, err)
	}
	scopes := strings.Split(out.Scope, " ")
	for i, s := range scopes {
		if !slices.Contains(p.Scopes(), s) || slices.Contains(scopes[:i], s) {
			t.Errorf("%s: scope = %q, want each of %q at most once", p.Name(), out.Scope, p.Scopes())
		}
		if machine && (s == "openid" || s == "email" || s == "phone" || s == "profile" || s == admin) {
			t.Errorf("%s: client_credentials with scope %q", p.Name(), s)
		}
	}
	if p.Open() && (machine || out.TokenEndpointAuthMethod != dcr.AuthNone || slices.Contains(scopes, admin)) {
		t.Errorf("open registration got %+v", out)
	}
}

// apply applies the profile to metadata, validated or not.
func apply(p *policy.Profile, m dcr.ClientMetadata) (dcr.ClientMetadata, error) {
	out, err := p.Apply(dcr.Parse(m))
	return out.ClientMetadata, err
}

package policy_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
)

var brokered = offer{scopes: []string{"openid", "mcp/read", "mcp/write", admin}, mode: broker.ModeBrokered}

func TestParseFaultsOfBrokeredMode(t *testing.T) {
	const loopback = `"redirect_uris": {"loopback": true}`
	open := func(members string) string { return profileDocument(`"p"`, loopback+", "+members) }
	token := func(members string) string { return profileDocument(`null`, loopback+", "+members) }
	const lifetime = `profiles.p.lifetimes.unconfirmed: must be minutes, hours or days as in "30m", "12h" or "7d", from 2h to 3650d`
	tests := []struct {
		document string
		want     []string
	}{
		{open(`"app_client": "shared", "consent": "remember", "lifetimes": {"unconfirmed": "36h"}`), nil},
		{open(`"app_client": "dedicated"`), []string{
			`profiles.p.app_client: dedicated is not allowed on the profile of open registration: a stranger could use up the app clients of the pool`}},
		{token(`"app_client": "dedicated"`), nil},
		{token(`"app_client": "shared"`), nil},
		{token(`"app_client": "own"`), []string{`profiles.p.app_client: must be shared or dedicated`}},
		{token(`"app_client": null`), []string{`profiles.p.app_client: must be shared or dedicated`}},
		{token(`"app_client": "shared", "grant_types": ["authorization_code", "client_credentials"], "token_endpoint_auth_methods": ["client_secret_basic"]`), nil},
		{profileDocument(`null`, `"app_client": "shared", "grant_types": ["client_credentials"], "token_endpoint_auth_methods": ["client_secret_basic"]`), []string{
			`profiles.p.app_client: shared is not possible: a client with client_credentials always has a dedicated app client`}},

		{token(`"consent": "never"`), []string{`profiles.p.consent: must be always or remember`}},
		{token(`"consent": true`), []string{`profiles.p.consent: must be always or remember`}},

		{token(`"users": {"groups": ["mcp-users", "Überwachung"], "identity_providers": ["COGNITO", "Okta"]}`), nil},
		{token(`"users": {}`), []string{`profiles.p.users: must have groups or identity_providers; leave it out if every user may consent`}},
		{token(`"users": {"groups": []}`), []string{`profiles.p.users.groups: must not be empty; leave it out to allow every user`}},
		{token(`"users": {"groups": null}`), []string{`profiles.p.users.groups: must be an array of strings, not null`}},
		{token(`"users": {"Groups": ["a"], "groups": ["a b", 1]}`), []string{
			`profiles.p.users.Groups: unknown; known are groups, identity_providers`,
			`profiles.p.users.groups[0]: "a b" cannot be a name in a user pool, which has at most 128 characters and no spaces`,
			`profiles.p.users.groups[1]: must be a string, not a number`}},
		{token(`"users": {"identity_providers": ["` + strings.Repeat("ö", 32) + `", "My IdP", "` + strings.Repeat("a", 33) + `", "a\u200bb"]}`), []string{
			`profiles.p.users.identity_providers[1]: "My IdP" cannot be a name in a user pool, which has at most 32 characters and no spaces`,
			`profiles.p.users.identity_providers[2]: "` + strings.Repeat("a", 33) + `" cannot be a name in a user pool, which has at most 32 characters and no spaces`,
			`profiles.p.users.identity_providers[3]: "a\u200bb" cannot be a name in a user pool, which has at most 32 characters and no spaces`}},

		{token(`"lifetimes": {}`), nil},
		{token(`"lifetimes": {"unconfirmed": "2h"}`), nil},
		{token(`"lifetimes": {"unconfirmed": "121m"}`), nil},
		{token(`"lifetimes": {"unconfirmed": "3650d"}`), nil},
		{token(`"lifetimes": {"unconfirmed": "1h"}`), []string{lifetime}},
		{token(`"lifetimes": {"unconfirmed": "3651d"}`), []string{lifetime}},
		{token(`"lifetimes": {"unconfirmed": "99999d"}`), []string{lifetime}},
		{token(`"lifetimes": {"unconfirmed": "07d"}`), []string{lifetime}},
		{token(`"lifetimes": {"unconfirmed": "7 days"}`), []string{lifetime}},
		{token(`"lifetimes": {"unconfirmed": 7}`), []string{lifetime}},
		{token(`"lifetimes": {"inactive": "1d", "absolute": "3650d"}`), nil},
		{token(`"lifetimes": {"inactive": "23h", "absolute": 0}`), []string{
			`profiles.p.lifetimes.inactive: must be minutes, hours or days as in "30m", "12h" or "7d", from 1d to 3650d`,
			`profiles.p.lifetimes.absolute: must be minutes, hours or days as in "30m", "12h" or "7d", from 1d to 3650d`}},
		{token(`"approval": "manual"`), nil},
		{token(`"approval": "none"`), nil},
		{token(`"approval": true`), []string{`profiles.p.approval: must be none or manual`}},
		{token(`"lifetimes": "7d"`), []string{`profiles.p.lifetimes: must be an object, not a string`}},

		{token(`"scopes": {"allowed": ["mcp/read", "` + admin + `"]}`), []string{
			`profiles.p.scopes.allowed[1]: not allowed in brokered mode: no app client of the broker has it`}},
	}
	for _, tt := range tests {
		t.Run(tt.document, func(t *testing.T) {
			if got := faultsOf(t, []byte(tt.document), brokered); !slices.Equal(got, tt.want) {
				t.Errorf("faults:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

func TestDefaultsInBrokeredMode(t *testing.T) {
	p := example(t, broker.ModeBrokered)
	open, trusted := profile(t, p, "open"), profile(t, p, "trusted")
	if got := open.AppClient(); got != policy.SharedAppClient {
		t.Errorf("app_client of open registration = %q, want %q", got, policy.SharedAppClient)
	}
	if got := trusted.AppClient(); got != policy.SharedAppClient {
		t.Errorf("app_client of a profile for tokens = %q, want %q", got, policy.SharedAppClient)
	}
	if got := open.Lifetimes().Unconfirmed; got != 7*24*time.Hour {
		t.Errorf("unconfirmed of open registration = %s, want 7 days", got)
	}
	if got := trusted.Lifetimes().Unconfirmed; got != 0 {
		t.Errorf("unconfirmed of a profile for tokens = %s, want none", got)
	}
	if open.Approval() != policy.ApprovalNone || trusted.Approval() != policy.ApprovalNone {
		t.Errorf("approval = %q and %q, want none", open.Approval(), trusted.Approval())
	}
	if open.Consent() != policy.ConsentAlways || trusted.Consent() != policy.ConsentAlways {
		t.Errorf("consent = %q and %q, want always", open.Consent(), trusted.Consent())
	}
	if got := open.Users(); !got.Allow(nil, []string{"COGNITO"}) {
		t.Errorf("users of open registration = %+v, want all users", got)
	}
}

// Users of all registrations sign in through one app client, unless the profile
// says dedicated. A client with client_credentials always has its own.
func TestAppClientOfARegistration(t *testing.T) {
	const (
		both    = `"grant_types": ["authorization_code", "refresh_token", "client_credentials"], "token_endpoint_auth_methods": ["client_secret_basic", "none"], "redirect_uris": {"loopback": true}`
		machine = `"grant_types": ["client_credentials"], "token_endpoint_auth_methods": ["client_secret_basic"]`
		code    = `{"redirect_uris": ["http://localhost/"]}`
		ci      = `{"grant_types": ["client_credentials"]}`
	)
	for _, tt := range []struct{ profile, body, want string }{
		{both, code, "profile/p"},
		{both + `, "app_client": "shared"`, code, "profile/p"},
		{both + `, "app_client": "dedicated"`, code, "client/id/generation"},
		{both, ci, "client/id/generation"},
		{both + `, "app_client": "shared"`, ci, "client/id/generation"},
		{machine, ci, "client/id/generation"},
	} {
		p := profile(t, parse(t, profileDocument(`null`, tt.profile), brokered), "p")
		m, err := register(t, p, tt.body)
		if err != nil {
			t.Fatal(err)
		}
		if got := policy.AppClientKey(&broker.Registration{ClientID: "id", Generation: "generation", Metadata: m}, p); got != tt.want {
			t.Errorf("%s: %s: app client %q, want %q", tt.profile, tt.body, got, tt.want)
		}
	}
}

func TestProfileInBrokeredMode(t *testing.T) {
	p := profile(t, parse(t, profileDocument(`null`, `"redirect_uris": {"loopback": true}, "app_client": "shared", "consent": "remember",
		"users": {"groups": ["a", "b"], "identity_providers": ["Okta"]}, "lifetimes": {"unconfirmed": "36h", "inactive": "90d", "absolute": "365d"}, "approval": "manual"`), brokered), "p")
	if got := p.AppClient(); got != policy.SharedAppClient {
		t.Errorf("AppClient() = %q, want %q", got, policy.SharedAppClient)
	}
	if got := p.Consent(); got != policy.ConsentRemember {
		t.Errorf("Consent() = %q, want %q", got, policy.ConsentRemember)
	}
	const day = 24 * time.Hour
	if got, want := p.Lifetimes(), (policy.Lifetimes{Unconfirmed: 36 * time.Hour, Inactive: 90 * day, Absolute: 365 * day}); got != want {
		t.Errorf("Lifetimes() = %+v, want %+v", got, want)
	}
	if got := p.Approval(); got != policy.ApprovalManual {
		t.Errorf("Approval() = %q, want manual", got)
	}
	want := policy.Users{Groups: []string{"a", "b"}, IdentityProviders: []string{"Okta"}}
	if got := p.Users(); !reflect.DeepEqual(got, want) {
		t.Errorf("Users() = %+v, want %+v", got, want)
	}
	p.Users().Groups[0] = "x"
	if got := p.Users(); !reflect.DeepEqual(got, want) {
		t.Errorf("Users() = %+v after a caller wrote to it, want %+v", got, want)
	}
}

func TestUsersAllow(t *testing.T) {
	groups := policy.Users{Groups: []string{"staff", "admins"}}
	idp := policy.Users{IdentityProviders: []string{"Okta", "Entra"}}
	both := policy.Users{Groups: []string{"staff"}, IdentityProviders: []string{"Okta"}}
	list := func(names ...string) []string { return names }
	tests := []struct {
		users          policy.Users
		groups, idps   []string
		want, provider bool
	}{
		{policy.Users{}, nil, nil, true, true},
		{groups, nil, list("COGNITO"), false, true},
		{groups, list("others", "admins"), list("COGNITO"), true, true},
		{groups, list("Staff"), list("COGNITO"), false, true}, // names of groups are exact
		{idp, list("staff"), list("COGNITO"), false, false},
		{idp, nil, list("Okta"), true, true},
		{idp, nil, list("Entra", "Okta"), true, true},
		{idp, nil, list("Okta", "COGNITO"), false, false}, // a linked local user has a password too
		{idp, nil, list("okta"), false, false},
		{idp, nil, list(""), false, false}, // providers that cannot be read
		{idp, nil, nil, false, false},
		{both, list("staff"), list("COGNITO"), false, false},
		{both, nil, list("Okta"), false, true},
		{both, list("staff"), list("Okta"), true, true},
	}
	for _, tt := range tests {
		if got := tt.users.Allow(tt.groups, tt.idps); got != tt.want {
			t.Errorf("%+v.Allow(%q, %q) = %t, want %t", tt.users, tt.groups, tt.idps, got, tt.want)
		}
		if got := tt.users.AllowProviders(tt.idps); got != tt.provider {
			t.Errorf("%+v.AllowProviders(%q) = %t, want %t", tt.users, tt.idps, got, tt.provider)
		}
	}
}

// An app client of the broker always has openid.
func TestBrokeredModeLeavesRoomForOpenID(t *testing.T) {
	var many []string
	for i := range 50 {
		many = append(many, fmt.Sprintf("mcp/%d", i))
	}
	document := []byte(profileDocument(`"p"`, `"redirect_uris": {"loopback": true}`))
	want := []string{`profiles.p.scopes.allowed: 50 scopes, and an app client can have 49 besides openid, which the broker needs; list those that are needed, let MCP servers share scopes and set resource_binding, which tells them apart, or divide the profile`}
	if got := faultsOf(t, document, offer{scopes: many, mode: broker.ModeBrokered}); !slices.Equal(got, want) {
		t.Errorf("faults of 50 scopes without openid = %q, want %q", got, want)
	}
	if got := faultsOf(t, document, offer{scopes: append(many[:49:49], "openid"), mode: broker.ModeBrokered}); got != nil {
		t.Errorf("faults of 50 scopes with openid = %q, want none", got)
	}
}

func TestUnknownModeIsAFault(t *testing.T) {
	want := []string{`the deployment's mode "proxy" is neither direct nor brokered`}
	got := faultsOf(t, []byte(profileDocument(`null`, `"redirect_uris": {"loopback": true}`)), offer{scopes: []string{"openid"}, mode: "proxy"})
	if !slices.Equal(got, want) {
		t.Errorf("faults = %q, want %q", got, want)
	}
}

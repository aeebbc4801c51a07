package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// trusting returns a document with the profile p and more members at the top.
func trusting(profile, more string) string {
	return fmt.Sprintf(`{"version": 1, "profiles": {"p": {"redirect_uris": {"loopback": true}%s}}%s}`, profile, more)
}

func TestParseFaultsOfIssuers(t *testing.T) {
	tokens := func(entries string) string { return trusting("", `, "token_issuers": [`+entries+`]`) }
	statements := func(entries string) string { return trusting("", `, "statement_issuers": [`+entries+`]`) }
	entry := func(more string) string {
		return `{"name": "ci", "issuer": "https://ci.example.com", "audience": "https://auth.example.com", "claims": {"repo": "a/b"}, "profile": "p"` + more + `}`
	}
	url := `must be an https URL without query, fragment and user, as in the iss of the issuer's tokens; http on loopback only`
	tests := []struct {
		document string
		want     []string
	}{
		{tokens(entry("")), nil},
		{tokens(entry("") + "," + strings.Replace(entry(""), `"ci"`, `"other"`, 1)), nil}, // two kinds of token of one issuer
		{trusting("", `, "token_issuers": []`), []string{`token_issuers: must be an array of objects, and not empty; leave it out to trust no issuer`}},
		{trusting("", `, "statement_issuers": {}`), []string{`statement_issuers: must be an array of objects, and not empty; leave it out to trust no issuer`}},
		{tokens(`{}`), []string{
			`token_issuers[0].issuer: ` + strings.Replace(url, "must be", "required:", 1),
			`token_issuers[0].name: required: 1 to 32 of the characters a-z, 0-9 and '-'`,
			`token_issuers[0].audience: required: a token for another service must not be accepted here`,
			`token_issuers[0].claims: required: without it every holder of a token of this issuer could register`,
			`token_issuers[0].profile: required: the name of a profile`}},
		{tokens(entry(`, "jwks_uri": "https://ci.example.com/keys"`)), []string{
			`token_issuers[0].jwks_uri: unknown; known are name, issuer, audience, claims, profile, max_uses, algorithms`}},
		{tokens(entry("") + "," + entry("")), []string{`token_issuers[1].name: "ci" is the name of another entry`}},
		{tokens(entry("") + "," + strings.Replace(entry(`, "algorithms": ["ES256"]`), `"ci"`, `"other"`, 1)), []string{
			`token_issuers[1].algorithms: must be those of the entry "ci", which has the same issuer`}},
		{tokens(strings.Replace(entry(""), `"p"`, `"q"`, 1)), []string{`token_issuers[0].profile: must be the name of a profile`}},
		// Algorithms for which others than the issuer can make a signature.
		{tokens(entry(`, "algorithms": ["none", "HS256", "RS256"]`)), []string{
			`token_issuers[0].algorithms[0]: "none" is not one of RS256, ES256, RS384, RS512, ES384, ES512, PS256, PS384, PS512, EdDSA`,
			`token_issuers[0].algorithms[1]: "HS256" is not one of RS256, ES256, RS384, RS512, ES384, ES512, PS256, PS384, PS512, EdDSA`}},
		{tokens(entry(`, "algorithms": []`)), []string{`token_issuers[0].algorithms: must not be empty; leave it out for the default`}},
		{tokens(entry(`, "max_uses": 0`)), []string{`token_issuers[0].max_uses: must be an integer from 1 to 1000; leave it out for any number of uses while the token is valid`}},
		{tokens(entry(`, "max_uses": 1.5`)), []string{`token_issuers[0].max_uses: must be an integer from 1 to 1000; leave it out for any number of uses while the token is valid`}},
		{tokens(strings.Replace(entry(""), `{"repo": "a/b"}`, `{}`, 1)), []string{
			`token_issuers[0].claims: must be an object with at least one claim, each with a string or an array of strings`}},
		{tokens(strings.Replace(entry(""), `{"repo": "a/b"}`, `{"aud": "x", "n": 1, "s": "", "l": [], "m": ["a", 2]}`, 1)), []string{
			`token_issuers[0].claims.aud: cannot be required here; it is checked anyway`,
			`token_issuers[0].claims.n: must be an array of strings, not a number`,
			`token_issuers[0].claims.s: must not be empty`,
			`token_issuers[0].claims.l: must not be empty`,
			`token_issuers[0].claims.m[1]: must be a string, not a number`}},
		{statements(`{"issuer": "https://a.example", "audience": []}`), []string{`statement_issuers[0].audience: must not be empty`}},
		{statements(`{"issuer": "https://a.example"}, {"issuer": "https://a.example"}`), []string{`statement_issuers[1].issuer: "https://a.example" is listed twice`}},
		{statements(`{"issuer": "https://a.example", "jwks_uri": "http://a.example/keys"}`), []string{
			`statement_issuers[0].jwks_uri: must be an https URL without fragment and user; http on loopback only`}},
		{trusting(`, "software_statements": "accept"`, ""), []string{`profiles.p.software_statements: accept needs statement_issuers, without which no statement is trusted`}},
		{trusting(`, "software_statements": "always"`, ""), []string{`profiles.p.software_statements: must be ignore or accept or require`}},
		{trusting(`, "software_statements": "ignore"`, ""), nil},
	}
	for _, issuer := range []string{`ci.example.com`, `http://ci.example.com`, `https://ci.example.com?a`, `https://ci.example.com#`, `https://u@ci.example.com`, `https:///path`, `https://ci.example.com/ `,
		`https://:80/`, `https://ci.example.com:99999/`, `https://ci.example.com>/`} {
		tests = append(tests, struct {
			document string
			want     []string
		}{statements(`{"issuer": "` + issuer + `"}`), []string{`statement_issuers[0].issuer: ` + url}})
	}
	for _, issuer := range []string{`https://ci.example.com/`, `https://ci.example.com/realms/a`, `http://localhost:8080/x`, `http://127.0.0.1`, `http://[::1]:1`} {
		tests = append(tests, struct {
			document string
			want     []string
		}{statements(`{"issuer": "` + issuer + `"}`), nil})
	}
	for _, tt := range tests {
		for _, mode := range []broker.Mode{broker.ModeDirect, broker.ModeBrokered} {
			d := deployment
			d.mode = mode
			if got := faultsOf(t, []byte(tt.document), d); !slices.Equal(got, tt.want) {
				t.Errorf("%s: faults of %s:\n%s\nwant:\n%s", mode, tt.document, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		}
	}
}

func TestTokenRule(t *testing.T) {
	p := parse(t, trusting("", `, "token_issuers": [
		{"name": "main", "issuer": "https://ci.example.com", "audience": "https://auth.example.com", "profile": "p", "max_uses": 3,
			"claims": {"repo": ["acme/one", "acme/two"], "ref": "refs/heads/main"}},
		{"name": "releases", "issuer": "https://ci.example.com", "audience": ["https://auth.example.com", "broker"], "profile": "p",
			"claims": {"repo": "acme/one", "environment": "release"}},
		{"name": "people", "issuer": "https://idp.example.com/", "audience": "broker", "profile": "p", "algorithms": ["ES256"], "claims": {"groups": "admins"}}]`), deployment)
	if got := p.TokenIssuers(); len(got) != 2 || got[0].URL != "https://ci.example.com" || !slices.Equal(got[0].Algorithms, []string{"RS256", "ES256"}) ||
		got[1].URL != "https://idp.example.com/" || !slices.Equal(got[1].Algorithms, []string{"ES256"}) || got[0].KeySet != "" {
		t.Errorf("TokenIssuers = %+v", got)
	}
	const ci, idp = "https://ci.example.com", "https://idp.example.com/"
	list := func(s ...any) []any { return s }
	tests := []struct {
		issuer string
		claims policy.Claims
		want   string // name of the entry, or code of the refusal
	}{
		{ci, policy.Claims{"aud": "https://auth.example.com", "repo": "acme/two", "ref": "refs/heads/main"}, "main"},
		{ci, policy.Claims{"aud": list("x", "https://auth.example.com"), "repo": "acme/one", "ref": "refs/heads/main"}, "main"},
		{ci, policy.Claims{"aud": "broker", "repo": "acme/one", "ref": "refs/heads/main", "environment": "release"}, "releases"},
		{ci, policy.Claims{"aud": "broker", "repo": "acme/one", "ref": "refs/heads/main"}, "insufficient_scope"},
		{ci, policy.Claims{"aud": "https://auth.example.com", "repo": "ACME/one", "ref": "refs/heads/main"}, "insufficient_scope"}, // exactly
		{ci, policy.Claims{"aud": "https://auth.example.com", "repo": "acme/one-evil", "ref": "refs/heads/main"}, "insufficient_scope"},
		{ci, policy.Claims{"aud": "https://auth.example.com", "repo": "acme/one"}, "insufficient_scope"},
		{ci, policy.Claims{"aud": "https://auth.example.com", "repo": true, "ref": "refs/heads/main"}, "insufficient_scope"},
		{ci, policy.Claims{"aud": "https://auth.example.com", "repo": map[string]any{"acme/one": "x"}, "ref": "refs/heads/main"}, "insufficient_scope"},
		{ci, policy.Claims{"aud": "https://auth.example.com/", "repo": "acme/one", "ref": "refs/heads/main"}, "invalid_token"},
		{ci, policy.Claims{"repo": "acme/one", "ref": "refs/heads/main"}, "invalid_token"},
		{ci, policy.Claims{"aud": list(), "repo": "acme/one", "ref": "refs/heads/main"}, "invalid_token"},
		{idp, policy.Claims{"aud": "broker", "groups": list("users", "admins")}, "people"},
		{idp, policy.Claims{"aud": "broker", "groups": "admins"}, "people"},
		{idp, policy.Claims{"aud": "broker", "groups": "users admins"}, "insufficient_scope"},
		{idp, policy.Claims{"aud": "https://auth.example.com", "repo": "acme/one", "ref": "refs/heads/main"}, "invalid_token"}, // claims of another issuer's entry
		{"https://else.example", policy.Claims{"aud": "broker", "groups": "admins"}, "invalid_token"},
	}
	for _, tt := range tests {
		rule, err := p.TokenRule(tt.issuer, tt.claims)
		got := string(codeOf(err))
		if err == nil {
			got = rule.Name()
		}
		if got != tt.want {
			t.Errorf("TokenRule(%s, %v) = %s (%v), want %s", tt.issuer, tt.claims, got, err, tt.want)
		}
	}
	rule, err := p.TokenRule(ci, tests[0].claims)
	if err != nil || rule.Profile() != "p" || rule.MaxUses() != 3 {
		t.Errorf("rule = %+v, %v", rule, err)
	}
}

func TestApproveStatement(t *testing.T) {
	p := parse(t, trusting(`, "software_statements": "require"`, `, "statement_issuers": [
		{"issuer": "https://apps.example.com", "jwks_uri": "https://apps.example.com/keys", "claims": {"software_id": ["one", "two"]}},
		{"issuer": "https://idp.example.com", "audience": "https://auth.example.com"}]`), deployment)
	if got := p.StatementIssuers(); len(got) != 2 || got[0].KeySet != "https://apps.example.com/keys" || got[1].KeySet != "" {
		t.Errorf("StatementIssuers = %+v", got)
	}
	if got := profile(t, p, "p").SoftwareStatements(); got != policy.RequireStatements {
		t.Errorf("SoftwareStatements = %q, want require", got)
	}
	tests := []struct {
		issuer string
		claims policy.Claims
		want   dcr.Code
	}{
		{"https://apps.example.com", policy.Claims{"software_id": "two"}, ""},
		{"https://apps.example.com", policy.Claims{"software_id": "three"}, dcr.UnapprovedSoftwareStatement},
		{"https://apps.example.com", policy.Claims{}, dcr.UnapprovedSoftwareStatement},
		{"https://apps.example.com", policy.Claims{"software_id": "two", "aud": "another"}, dcr.UnapprovedSoftwareStatement}, // such as an ID token
		{"https://idp.example.com", policy.Claims{"aud": "https://auth.example.com"}, ""},
		{"https://idp.example.com", policy.Claims{}, dcr.UnapprovedSoftwareStatement},
		{"https://else.example", policy.Claims{"software_id": "two"}, dcr.UnapprovedSoftwareStatement},
	}
	for _, tt := range tests {
		if got := codeOf(p.ApproveStatement(tt.issuer, tt.claims)); got != tt.want {
			t.Errorf("ApproveStatement(%s, %v) = %q, want %q", tt.issuer, tt.claims, got, tt.want)
		}
	}
	plain := parse(t, trusting("", ""), deployment)
	if got := profile(t, plain, "p").SoftwareStatements(); got != policy.IgnoreStatements {
		t.Errorf("SoftwareStatements of a profile without the member = %q, want ignore", got)
	}
}

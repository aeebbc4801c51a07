package policy_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/strict"
)

// faultsOf returns the faults of a document, or nil.
func faultsOf(t testing.TB, document []byte, d offer) []string {
	t.Helper()
	p, err := policy.Parse(document, d.mode, d.scopes)
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*strict.Error](err)
	if !ok || p != nil || len(e.Faults) == 0 {
		t.Fatalf("Parse = %v, %v (%T), want no policy and a *ParseError with faults", p, err, err)
	}
	var faults []string
	for _, f := range e.Faults {
		faults = append(faults, f.String())
	}
	return faults
}

// profileDocument returns a document with the profile p. If open is p, it is
// the profile of open registration.
func profileDocument(open, members string) string {
	return fmt.Sprintf(`{"version": 1, "open_registration": %s, "profiles": {"p": {%s}}}`, open, members)
}

func TestParseFaults(t *testing.T) {
	const loopback = `"redirect_uris": {"loopback": true}`
	open := func(members string) string { return profileDocument(`"p"`, members) }
	token := func(members string) string { return profileDocument(`null`, members) }
	https := func(pattern string) string { return token(`"redirect_uris": {"https": ["` + pattern + `"]}`) }
	scheme := func(s string) string { return token(`"redirect_uris": {"private_use_schemes": ["` + s + `"]}`) }
	const (
		wildcards = `'*' can only be the first label of the host, as in https://*.example.com/callback, or the last segment of the path, as in https://example.com/oauth/*`
		later     = `not supported by this version`
		direct    = `not supported in direct mode, where Cognito signs users in without a consent page`
	)
	tests := []struct {
		document string
		want     []string
	}{
		// The text.
		{`{`, []string{`not JSON: line 1, column 1: unexpected end of JSON input`}}, // the other faults of a text are in package strict
		{`{"version": 1` + strings.Repeat(" ", 128<<10) + `}`, []string{`129 KB; at most 128 KB; write arrays on one line`}},
		{`[]`, []string{`must be an object, not an array`}},
		{`null`, []string{`must be an object, not null`}},

		// The top.
		{`{}`, []string{`profiles: required, with at least one profile`}},
		{`{"version": 2, "profiles": {}}`, []string{`version: must be 1`, `profiles: must be an object with at least one profile`}},
		{`{"version": "1", "profiles": []}`, []string{`version: must be 1`, `profiles: must be an object with at least one profile`}},
		{`{"version": 1.0, "Profiles": {}}`, []string{
			`profiles: required, with at least one profile`,
			`version: must be 1`,
			`Profiles: unknown; known are version, open_registration, profiles, token_issuers, statement_issuers`}},
		{`{"version": 1, "version": 1, "profiles": {"p": {` + loopback + `, ` + loopback + `}, "p": {"limits": {"a b": 1, "a b": 2}}}}`, []string{
			`version: occurs more than once`,
			`profiles.p: occurs more than once`,
			`profiles.p.redirect_uris: occurs more than once`,
			`profiles.p.limits["a b"]: occurs more than once`}},
		{`{"version": 1, "open_registration": "q", "profiles": {"p": {` + loopback + `}}}`, []string{`open_registration: there is no profile "q"`}},
		{profileDocument(`""`, loopback), []string{`open_registration: must be the name of a profile; leave it out to switch open registration off`}},
		{profileDocument(`true`, loopback), []string{`open_registration: must be the name of a profile; leave it out to switch open registration off`}},
		{profileDocument(`null`, loopback), nil},
		{`{"version": 1, "profiles": {"": {` + loopback + `}}}`, []string{`profiles[""]: a profile's name must have 1 to 32 of the characters a-z, 0-9 and '-'`}},
		{`{"version": 1, "profiles": {"` + strings.Repeat("p", 33) + `": {` + loopback + `}}}`,
			[]string{"profiles." + strings.Repeat("p", 33) + ": a profile's name must have 1 to 32 of the characters a-z, 0-9 and '-'"}},
		{`{"version": 1, "profiles": {"": {` + loopback + `}}}`, []string{`profiles[""]: a profile's name must have 1 to 32 of the characters a-z, 0-9 and '-'`}},
		{`{"version": 1, "profiles": {"A\"\u00e9\n": {` + loopback + `}}}`, []string{`profiles["A\"\u00e9\n"]: a profile's name must have 1 to 32 of the characters a-z, 0-9 and '-'`}},
		{`{"version": 1, "profiles": {"p": null}}`, []string{`profiles.p: must be an object, not null`}},

		// Unknown members.
		{token(loopback + `, "consent": "always", "users": {}, "approval": "none", "lifetimes": {}, "app_client": "shared", "software_statements": "ignore"`), []string{
			`profiles.p.consent: ` + direct,
			`profiles.p.users: ` + direct,
			`profiles.p.approval: ` + direct,
			`profiles.p.app_client: ` + direct}},
		{token(loopback + `, "lifetimes": {"unconfirmed": "12h", "inactive": "90d", "absolute": "365d"}`), nil},
		{token(loopback + `, "Limits": {}`), []string{
			`profiles.p.Limits: unknown; known are redirect_uris, grant_types, token_endpoint_auth_methods, scopes, limits, software_statements, app_client, approval, consent, users, lifetimes`}},

		// Grant types and methods.
		{token(loopback + `, "grant_types": "authorization_code"`), []string{`profiles.p.grant_types: must be an array of strings, not a string`}},
		{token(loopback + `, "grant_types": []`), []string{`profiles.p.grant_types: must not be empty; leave it out for the default`}},
		{token(loopback + `, "grant_types": ["authorization_code", 1, "", "authorization_code", "implicit"]`), []string{
			`profiles.p.grant_types[1]: must be a string, not a number`, `profiles.p.grant_types[2]: must not be empty`,
			`profiles.p.grant_types[3]: "authorization_code" is listed twice`,
			`profiles.p.grant_types[4]: "implicit" is not one of authorization_code, refresh_token, client_credentials`}},
		{token(loopback + `, "grant_types": ["refresh_token"]`), []string{`profiles.p.grant_types: refresh_token is possible together with authorization_code only`}},
		{token(`"grant_types": ["client_credentials"]`), []string{
			`profiles.p.token_endpoint_auth_methods: grant type client_credentials needs client_secret_basic or client_secret_post`}},
		{token(`"grant_types": ["client_credentials"], "token_endpoint_auth_methods": ["client_secret_post"]`), nil},
		{token(loopback + `, "token_endpoint_auth_methods": ["none", "private_key_jwt"]`), []string{
			`profiles.p.token_endpoint_auth_methods[1]: "private_key_jwt" is not one of none, client_secret_basic, client_secret_post`}},
		{open(loopback + `, "grant_types": ["authorization_code", "client_credentials"], "token_endpoint_auth_methods": ["none", "client_secret_basic"]`), []string{
			`profiles.p.grant_types[1]: not allowed on the profile of open registration: a stranger must not get tokens without a user`,
			`profiles.p.token_endpoint_auth_methods[1]: the profile of open registration can have no other method than none, since every client could get a secret there`}},

		// Redirect rules.
		{token(``), []string{`profiles.p.redirect_uris: must allow something, since the grant type authorization_code needs a redirect URI`}},
		{token(`"redirect_uris": {"presets": [], "loopback": false, "any_https": false}`), []string{
			`profiles.p.redirect_uris: must allow something, since the grant type authorization_code needs a redirect URI`}},
		{token(`"redirect_uris": ["http://localhost/"]`), []string{`profiles.p.redirect_uris: must be an object, not an array`}},
		{token(`"redirect_uris": {"loopback": "yes", "any_https": 1, "any_private_use": null, "https": {}, "patterns": []}`), []string{
			`profiles.p.redirect_uris.loopback: must be true or false, not a string`,
			`profiles.p.redirect_uris.any_https: must be true or false, not a number`,
			`profiles.p.redirect_uris.any_private_use: must be true or false, not null`,
			`profiles.p.redirect_uris.https: must be an array, not an object`,
			`profiles.p.redirect_uris.patterns: unknown; known are presets, loopback, https, any_https, private_use_schemes, any_private_use`}},
		{open(`"redirect_uris": {"any_https": true, "any_private_use": true}`), []string{
			`profiles.p.redirect_uris.any_https: not allowed on the profile of open registration; list hosts in https`,
			`profiles.p.redirect_uris.any_private_use: not allowed on the profile of open registration; list schemes in private_use_schemes`}},
		{open(`"redirect_uris": {"loopback": true, "any_https": false, "any_private_use": false}`), nil},
		{token(`"redirect_uris": {"presets": ["Claude"]}`), []string{
			`profiles.p.redirect_uris.presets[0]: "Claude" is not one of ` + strings.Join(policy.Presets(), ", ")}},
		{token(`"redirect_uris": {"presets": ["claude", "vscode"], "loopback": false}`), []string{
			`profiles.p.redirect_uris.presets[1]: vscode registers loopback redirect URIs, which loopback: false excludes; remove one of the two`}},
		{token(`"redirect_uris": {"presets": ["claude", "chatgpt"], "loopback": false}`), nil},

		// Patterns.
		{https(`http://example.com/`), []string{`profiles.p.redirect_uris.https[0]: must start with https://`}},
		{https(`example.com/cb`), []string{`profiles.p.redirect_uris.https[0]: must start with https://`}},
		{https(`https://*.com/cb`), []string{`profiles.p.redirect_uris.https[0]: '*.com' is too wide; after '*.' there must be at least two labels`}},
		{https(`https://*.localhost/cb`), []string{`profiles.p.redirect_uris.https[0]: '*.localhost' is too wide; after '*.' there must be at least two labels`}},
		{https(`https://*/cb`), []string{`profiles.p.redirect_uris.https[0]: ` + wildcards}},
		{https(`https://*`), []string{`profiles.p.redirect_uris.https[0]: ` + wildcards}},
		{https(`https://*.*.example.com/cb`), []string{`profiles.p.redirect_uris.https[0]: ` + wildcards}},
		{https(`https://a*.example.com/cb`), []string{`profiles.p.redirect_uris.https[0]: ` + wildcards}},
		{https(`https://a.*.example.com/cb`), []string{`profiles.p.redirect_uris.https[0]: ` + wildcards}},
		{https(`https://example.*/cb`), []string{`profiles.p.redirect_uris.https[0]: ` + wildcards}},
		{https(`https://example.com/*/cb`), []string{`profiles.p.redirect_uris.https[0]: ` + wildcards}},
		{https(`https://example.com/a*`), []string{`profiles.p.redirect_uris.https[0]: ` + wildcards}},
		{https(`https://example.com/**`), []string{`profiles.p.redirect_uris.https[0]: ` + wildcards}},
		{https(`https://example.com/*/*`), []string{`profiles.p.redirect_uris.https[0]: ` + wildcards}},
		{https(`https://example.com:*/cb`), []string{`profiles.p.redirect_uris.https[0]: ` + wildcards}},
		{https(`https://example.com/cb?x=*`), []string{`profiles.p.redirect_uris.https[0]: ` + wildcards}},
		{https(`https://example.com/cb?x=/*`), []string{`profiles.p.redirect_uris.https[0]: '*' must not stand in a query`}},
		{https(`https://*.192.0.2.1/cb`), []string{`profiles.p.redirect_uris.https[0]: the host is not a valid host name or IP address`}},
		{https(`https://example.com/cb?%63ode=x`), []string{`profiles.p.redirect_uris.https[0]: the query must not have the parameter code, which the authorization response adds`}},
		{https(`https:///*`), []string{`profiles.p.redirect_uris.https[0]: no host; it must look like https://host/path`}},
		{https(`https://user@example.com/`), []string{`profiles.p.redirect_uris.https[0]: user information (user@host) is not allowed`}},
		{https(`https://example.com/../*`), []string{`profiles.p.redirect_uris.https[0]: the path must not have '.' or '..' segments`}},
		{https(`https://b\u00fccher.example/`), []string{
			`profiles.p.redirect_uris.https[0]: only ASCII is allowed; write the host as an A-label (xn--...) and percent-encode the rest`}},
		{token(`"redirect_uris": {"https": ["https://a.example.com/", "https://b.example.com/#", ""]}`), []string{
			`profiles.p.redirect_uris.https[1]: a fragment ('#') is not allowed`,
			`profiles.p.redirect_uris.https[2]: must not be empty`}},
		{token(`"redirect_uris": {"https": ["https://a.example.com/", {"pattern": "https://b.example.com/", "forwards": true}]}`), nil},
		{token(`"redirect_uris": {"https": [{"pattern": "https://*.com/cb", "forwards": 1, "forward": true}, {}, null, {"pattern": ""}]}`), []string{
			`profiles.p.redirect_uris.https[0].forwards: must be true or false, not a number`,
			`profiles.p.redirect_uris.https[0].forward: unknown; known are pattern, forwards`,
			`profiles.p.redirect_uris.https[1].pattern: required: a pattern, as in https://app.example.com/callback`,
			`profiles.p.redirect_uris.https[2]: must be a pattern, or an object with pattern and forwards`,
			`profiles.p.redirect_uris.https[3].pattern: required: a pattern, as in https://app.example.com/callback`}},
		{token(`"redirect_uris": {"https": ["https://a.example.com/", {"pattern": "https://a.example.com/", "forwards": true}]}`), []string{
			`profiles.p.redirect_uris.https[1]: "https://a.example.com/" is listed twice`}},

		// Schemes.
		{scheme(`javascript`), []string{`profiles.p.redirect_uris.private_use_schemes[0]: scheme 'javascript' is not allowed; use https, http on a loopback address, or a private-use scheme of your own`}},
		{scheme(`DATA`), []string{`profiles.p.redirect_uris.private_use_schemes[0]: scheme 'data' is not allowed; use https, http on a loopback address, or a private-use scheme of your own`}},
		{scheme(`https`), []string{`profiles.p.redirect_uris.private_use_schemes[0]: https is not a private-use scheme; see loopback and https`}},
		{scheme(`HTTP`), []string{`profiles.p.redirect_uris.private_use_schemes[0]: http is not a private-use scheme; see loopback and https`}},
		{scheme(`cursor://x`), []string{`profiles.p.redirect_uris.private_use_schemes[0]: must be a scheme alone, as in com.example.app, without a colon and what follows it`}},
		{scheme(`a b`), []string{`profiles.p.redirect_uris.private_use_schemes[0]: white space and control characters are not allowed`}},

		// Scopes, in a deployment with openid, mcp/read, mcp/write.
		{token(loopback + `, "scopes": {"allowed": ["mcp/read", "mcp/delete", "a b"], "default": ["mcp/write"]}`), []string{
			`profiles.p.scopes.allowed[1]: "mcp/delete" is not declared under scopes, which has: openid mcp/read mcp/write`,
			`profiles.p.scopes.allowed[2]: "a b" is not declared under scopes, which has: openid mcp/read mcp/write`}},
		{token(loopback + `, "scopes": {"allowed": ["mcp/read"], "default": ["mcp/write"]}`), []string{
			`profiles.p.scopes.default[0]: "mcp/write" is not in allowed`}},
		{token(loopback + `, "scopes": {"default": ["mcp/write"]}`), nil},
		{token(loopback + `, "scopes": {"allowed": []}`), []string{`profiles.p.scopes.allowed: must not be empty; leave it out for the default`}},
		{token(loopback + `, "scopes": {"allowed": "mcp/read"}`), []string{`profiles.p.scopes.allowed: must be an array of strings, not a string`}},
		{token(loopback + `, "scopes": ["mcp/read"]`), []string{`profiles.p.scopes: must be an object, not an array`}},
		{open(loopback + `, "scopes": {"default": ["mcp/read"]}`), []string{
			`profiles.p.scopes.default: not supported on the profile of open registration, which grants all of allowed`}},
		{open(loopback + `, "scopes": {"allowed": [1, "mcp/read", "` + admin + `"]}`), []string{
			`profiles.p.scopes.allowed[0]: must be a string, not a number`,
			`profiles.p.scopes.allowed[2]: not allowed on the profile of open registration: it lets a client change the user's account`}},

		// Limits.
		{token(loopback + `, "limits": {"app_clients": 1, "creations_per_hour": 10000}`), nil},
		{token(loopback + `, "limits": {}`), nil},
		{token(loopback + `, "limits": 5`), []string{`profiles.p.limits: must be an object, not a number`}},
		{token(loopback + `, "limits": {"app_clients": 0, "creations_per_hour": 10001}`), []string{
			`profiles.p.limits.app_clients: must be an integer from 1 to 10000; leave it out for no limit`,
			`profiles.p.limits.creations_per_hour: must be an integer from 1 to 10000; leave it out for no limit`}},
		{token(loopback + `, "limits": {"app_clients": "5", "creations_per_hour": 1.5, "clients": 1}`), []string{
			`profiles.p.limits.app_clients: must be an integer from 1 to 10000; leave it out for no limit`,
			`profiles.p.limits.creations_per_hour: must be an integer from 1 to 10000; leave it out for no limit`,
			`profiles.p.limits.clients: unknown; known are app_clients, creations_per_hour, creations_per_hour_per_token`}},
		{token(loopback + `, "limits": {"app_clients": null, "creations_per_hour": 99999999999999999999}`), []string{
			`profiles.p.limits.app_clients: must be an integer from 1 to 10000; leave it out for no limit`,
			`profiles.p.limits.creations_per_hour: must be an integer from 1 to 10000; leave it out for no limit`}},

		// Faults of several profiles are reported together.
		{`{"version": 1, "profiles": {"b": {"consent": "always"}, "a": {"redirect_uris": {"https": ["x"]}}}}`, []string{
			`profiles.b.redirect_uris: must allow something, since the grant type authorization_code needs a redirect URI`,
			`profiles.b.consent: ` + direct,
			`profiles.a.redirect_uris.https[0]: must start with https://`}},
	}
	for _, tt := range tests {
		name := tt.document
		if len(name) > 200 {
			name = name[:200]
		}
		t.Run(name, func(t *testing.T) {
			if got := faultsOf(t, []byte(tt.document), deployment); !slices.Equal(got, tt.want) {
				t.Errorf("faults:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

func TestParseChecksScopesAgainstTheDeployment(t *testing.T) {
	var many []string
	for i := range 51 {
		many = append(many, fmt.Sprintf("mcp/%d", i))
	}
	const (
		implied = `{"version": 1, "open_registration": "p", "profiles": {"p": {"redirect_uris": {"loopback": true}}}}`
		email   = `{"version": 1, "profiles": {"p": {"redirect_uris": {"loopback": true}, "scopes": {"allowed": ["openid", "email"], "default": ["email"]}}}}`
	)
	tests := []struct {
		name, document string
		scopes         []string
		want           []string
	}{
		{"none at all", implied, []string{}, []string{`profiles.p.scopes.allowed: scopes declares none that could be allowed`}},
		{"only the admin scope", implied, []string{admin}, []string{`profiles.p.scopes.allowed: scopes declares none that could be allowed`}},
		{"as many as an app client can have", implied, many[:50], nil},
		{"more than an app client can have", implied, many, []string{`profiles.p.scopes.allowed: 51 scopes, and an app client can have 50; list those that are needed, or divide the profile`}},
		{"email without openid", implied, []string{"email", "mcp/read"}, []string{`profiles.p.scopes.allowed: email needs openid in the same list`}},
		{"email by default without openid", email, []string{"email", "openid"}, []string{`profiles.p.scopes.default: email needs openid in the same list`}},
		{"a typing error", `{"version": 1, "profiles": {"p": {"redirect_uris": {"loopback": true}, "scopes": {"allowed": ["a/reed", "A/read", "b/read"]}}}}`,
			append([]string{"a/read", "b/reed"}, many...), []string{
				`profiles.p.scopes.allowed[0]: "a/reed" is not declared under scopes; did you mean "a/read" or "b/reed"?`,
				`profiles.p.scopes.allowed[1]: "A/read" is not declared under scopes; did you mean "a/read"?`,
				`profiles.p.scopes.allowed[2]: "b/read" is not declared under scopes; did you mean "a/read" or "b/reed"?`}},
		{"nothing like it among many", `{"version": 1, "profiles": {"p": {"redirect_uris": {"loopback": true}, "scopes": {"allowed": ["notes/read"]}}}}`, many, []string{
			`profiles.p.scopes.allowed[0]: "notes/read" is not declared under scopes, which has 51`}},
		{"a scope of a resource server whose identifier is a URL", implied, []string{"https://api.example.com/mcp/read"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := faultsOf(t, []byte(tt.document), offer{scopes: tt.scopes}); !slices.Equal(got, tt.want) {
				t.Errorf("faults:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

func TestParseErrorHasOneLineForEachFault(t *testing.T) {
	_, err := policy.Parse([]byte(`{"a\nb": 1}`), deployment.mode, deployment.scopes)
	const want = `profiles: required, with at least one profile` + "\n" +
		`["a\nb"]: unknown; known are version, open_registration, profiles, token_issuers, statement_issuers`
	if err == nil || err.Error() != want {
		t.Errorf("Parse = %v, want %s", err, want)
	}
}

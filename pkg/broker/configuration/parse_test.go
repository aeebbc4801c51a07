package configuration_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/config"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/strict"
)

var (
	brokered = broker.Deployment{Mode: broker.ModeBrokered, Issuer: "https://auth.example.com", LoginVersion: 2}
	direct   = broker.Deployment{Mode: broker.ModeDirect, Issuer: "https://auth.example.com"}
)

func parse(t testing.TB, body string, d broker.Deployment) *configuration.Configuration {
	t.Helper()
	c, err := configuration.Parse([]byte(body), d)
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	return c
}

// faultsOf returns the faults of a document, or nil.
func faultsOf(t testing.TB, body string, d broker.Deployment) []string {
	t.Helper()
	c, err := configuration.Parse([]byte(body), d)
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*strict.Error](err)
	if !ok || c != nil || len(e.Faults) == 0 {
		t.Fatalf("Parse = %v, %v (%T), want no configuration and a *strict.Error with faults", c, err, err)
	}
	var faults []string
	for _, f := range e.Faults {
		faults = append(faults, f.String())
	}
	return faults
}

// documentWith returns a document with the scopes a/read and a/write, one profile,
// and more members.
func documentWith(members string) string {
	return `{"version": 1, "scopes": [{"name": "openid"}, {"name": "a/read", "description": "Read"}, {"name": "a/write"}],
		"profiles": {"p": {"redirect_uris": {"loopback": true}}}` + members + `}`
}

// list returns a JSON array of n elements.
func list(n int, element func(i int) string) string {
	var elements []string
	for i := range n {
		elements = append(elements, element(i))
	}
	return "[" + strings.Join(elements, ", ") + "]"
}

func TestExampleIsAccepted(t *testing.T) {
	for _, d := range []broker.Deployment{brokered, direct} {
		c := parse(t, string(config.Example()), d)
		if open, ok := c.Policy.Open(); !ok || open.Name() != "open" {
			t.Errorf("%s: Open() = %v, %t, want the profile open", d.Mode, open, ok)
		}
	}
}

func TestParse(t *testing.T) {
	secret := strings.Repeat("0f", 32)
	c := parse(t, documentWith(`, "$schema": "x",
		"protected_resources": [
			{"resource": "https://a.example.com/mcp", "name": "Notes", "scopes": ["a/read"], "introspection_clients": [{"id": "notes", "secret_sha256": "`+secret+`"}]},
			{"resource": "http://localhost:8080/mcp", "scopes": ["a/read"]}],
		"resource_binding": true, "scopes_supported": ["a/read"], "grant_types_supported": ["authorization_code"],
		"branding": {"name": "Example", "accent": "#0b5fff", "logo": "data:image/svg+xml;base64,PHN2Zy8+"},
		"support_contact": "mailto:help@example.com", "lifetimes": {"access_token": "30m", "id_token": "2h", "refresh_token": "90d"},
		"refresh_token_rotation": false, "identity_providers": ["Okta"], "app_client_quota": 5000`), brokered)
	if got := c.Scopes; len(got) != 3 || got[1] != (configuration.Scope{Name: "a/read", Description: "Read"}) {
		t.Errorf("Scopes = %+v", got)
	}
	if got := c.Resources; len(got) != 2 || got[0].URL != "https://a.example.com/mcp" || got[0].Name != "Notes" || !slices.Equal(got[0].Scopes, []string{"a/read"}) {
		t.Errorf("Resources = %+v", got)
	}
	if want := (configuration.IntrospectionClient{ID: "notes", SecretSHA256: secret, Resource: "https://a.example.com/mcp"}); len(c.IntrospectionClients) != 1 || c.IntrospectionClients[0] != want {
		t.Errorf("IntrospectionClients = %+v, want %+v", c.IntrospectionClients, want)
	}
	if want := (configuration.Tokens{AccessToken: 30 * time.Minute, IDToken: 2 * time.Hour, RefreshToken: 90 * 24 * time.Hour}); c.Tokens != want {
		t.Errorf("Tokens = %+v, want %+v", c.Tokens, want)
	}
	if !c.ResourceBinding || c.SupportContact != "mailto:help@example.com" || c.AppClientQuota != 5000 || c.ForwardResource || c.Version != 0 || len(c.Digest) != 64 {
		t.Errorf("configuration = %+v", c)
	}
	if b := c.Branding; b.Name != "Example" || b.Accent != "#0b5fff" || string(b.Logo) != "<svg/>" {
		t.Errorf("Branding = %+v", b)
	}
	for _, l := range []struct {
		name      string
		got, want []string
	}{
		{"ScopesSupported", c.ScopesSupported, []string{"a/read"}},
		{"GrantTypesSupported", c.GrantTypesSupported, []string{"authorization_code"}},
		{"IdentityProviders", c.IdentityProviders, []string{"Okta"}},
	} {
		if !slices.Equal(l.got, l.want) {
			t.Errorf("%s = %q, want %q", l.name, l.got, l.want)
		}
	}
}

func TestDefaults(t *testing.T) {
	c := parse(t, documentWith(""), brokered)
	if want := (configuration.Tokens{AccessToken: time.Hour, IDToken: time.Hour, RefreshToken: 30 * 24 * time.Hour, Rotation: true}); c.Tokens != want {
		t.Errorf("Tokens = %+v, want %+v", c.Tokens, want)
	}
	if c.Branding.Name != "auth.example.com" || c.AppClientQuota != 1000 || !slices.Equal(c.IdentityProviders, []string{"COGNITO"}) ||
		!slices.Equal(c.GrantTypesSupported, []string{"authorization_code", "refresh_token"}) {
		t.Errorf("defaults = %+v", c)
	}
	if want := []string{"a/read", "a/write"}; !slices.Equal(c.ScopesSupported, want) {
		t.Errorf("ScopesSupported of brokered mode = %q, want %q", c.ScopesSupported, want)
	}
	if got, want := parse(t, documentWith(""), direct).ScopesSupported, []string{"openid", "a/read", "a/write"}; !slices.Equal(got, want) {
		t.Errorf("ScopesSupported of direct mode = %q, want %q", got, want)
	}
	if got := parse(t, documentWith(`, "scopes_supported": []`), brokered).ScopesSupported; len(got) != 0 {
		t.Errorf("ScopesSupported of an empty list = %q, want none", got)
	}
}

func TestFaults(t *testing.T) {
	const (
		text     = `must have 1 to 200 visible characters, and must not begin or end with a space`
		resource = `must be an https URL without query and fragment; http on loopback only`
		known    = `; known are $schema, version, scopes, protected_resources, resource_binding, open_registration, profiles, token_issuers, statement_issuers, ` +
			`scopes_supported, grant_types_supported, branding, support_contact, lifetimes, refresh_token_rotation, identity_providers, app_client_quota, resource_server_quota, forward_resource`
	)
	scopes := func(entries string) string {
		return `{"version": 1, "scopes": [` + entries + `], "profiles": {"p": {"redirect_uris": {"loopback": true}}}}`
	}
	resources := func(entries string) string { return documentWith(`, "protected_resources": [` + entries + `]`) }
	client := func(id, hash string) string {
		return `{"resource": "https://` + id + `.example.com/mcp", "introspection_clients": [{"id": "` + id + `", "secret_sha256": "` + hash + `"}]}`
	}
	hash := strings.Repeat("0", 64)
	tests := []struct {
		document string
		mode     broker.Deployment
		want     []string
	}{
		// The bad inputs of the issue: not JSON, half an object, a typing error in a
		// scope, a lifetime of 48h.
		{`version: 1`, brokered, []string{`not JSON: line 1, column 1: invalid character 'v' looking for beginning of value`}},
		{`{"version": 1, "scopes": [`, brokered, []string{`not JSON: line 1, column 26: unexpected end of JSON input`}},
		{documentWith(`, "protected_resources": [{"resource": "https://a.example.com/mcp", "scopes": ["a/reed"]}], "scopes_supported": ["a/raed"]`), brokered, []string{
			`protected_resources[0].scopes[0]: "a/reed" is not declared under scopes; did you mean "a/read"?`,
			`scopes_supported[0]: "a/raed" is not declared under scopes; did you mean "a/read"?`}},
		{documentWith(`, "lifetimes": {"access_token": "48h"}`), brokered, []string{
			`lifetimes.access_token: must be minutes, hours or days as in "30m", "12h" or "7d", from 5m to 24h`}},

		// The top.
		{`{}`, brokered, []string{
			`version: required, and must be 1`, `scopes: required, with at least one scope`, `profiles: required, with at least one profile`}},
		{`[]`, brokered, []string{`must be an object, not an array`}},
		{`{"version": 2, "flavours": []}`, brokered, []string{`version: this program reads version 1; a document of version 2 needs a newer release`}},
		{strings.Replace(documentWith(""), `"version": 1`, `"version": "1"`, 1), brokered, []string{`version: must be 1`}},
		{strings.Replace(documentWith(""), `"version": 1`, `"version": 0`, 1), brokered, []string{`version: must be 1`}},
		{documentWith(`, "$schema": 1, "Scopes": [], "resource_binding": "yes", "support_contact": null, "scopes": []`), brokered, []string{
			`scopes: occurs more than once`,
			`$schema: must be a string, not a number`,
			`Scopes: unknown` + known,
			`resource_binding: must be true or false, not a string`,
			`support_contact: must be a string, not null`}},

		// Scopes.
		{scopes(``), brokered, []string{`scopes: must be an array of objects with at least one scope`}},
		{scopes(`{"name": "a b"}, {"name": "offline_access"}, {"name": "a/read"}, {"name": "a/read"}, {"name": ""}, {"name": "` + strings.Repeat("a", 514) + `"}`), brokered, []string{
			`scopes[0].name: "a b" has characters that a scope cannot have (RFC 6749 section 3.3)`,
			`scopes[1].name: offline_access does not exist in Cognito, which issues refresh tokens without it`,
			`scopes[3].name: "a/read" is listed twice`,
			`scopes[4].name: required: a scope as in mcp/read`,
			`scopes[5].name: "` + strings.Repeat("a", 64) + `..." has 514 characters, and a scope of an app client can have 256`}},
		// What Cognito cannot have. The rest of the document may name such a scope
		// without another fault; without a name of a scope there are none at all.
		{strings.Replace(scopes(`{"name": "foo"}, {"name": "a/"}, {"name": "/a"}, {"name": "`+strings.Repeat("a", 400)+`/b"}, {"name": "email"}`), `"loopback": true}`,
			`"loopback": true}, "scopes": {"allowed": ["foo", "/a", "b/c"]}`, 1), brokered, []string{
			`scopes[0].name: "foo" is not a scope that Cognito can have: openid, email, phone, profile, aws.cognito.signin.user.admin, or resourceServer/name as in mcp/read`,
			`scopes[1].name: "a/" is not a scope that Cognito can have: openid, email, phone, profile, aws.cognito.signin.user.admin, or resourceServer/name as in mcp/read`,
			`scopes[2].name: "/a" is not a scope that Cognito can have: openid, email, phone, profile, aws.cognito.signin.user.admin, or resourceServer/name as in mcp/read`,
			`scopes[3].name: "` + strings.Repeat("a", 64) + `..." has 402 characters, and a scope of an app client can have 256`,
			`profiles.p.scopes.allowed[2]: "b/c" is not declared under scopes, which has: foo a/ /a ` + strings.Repeat("a", 400) + `/b email`}},
		{`{"version": 1, "scopes": [{"name": "a\n8"}], "scopes_supported": ["b/c"], "profiles": {"p": {"redirect_uris": {"loopback": true}}}}`, brokered, []string{
			`scopes[0].name: "a\n8" has characters that a scope cannot have (RFC 6749 section 3.3)`,
			`scopes_supported[0]: "b/c" is not declared under scopes, which has 1`}},
		{`{"version": 1, "scopes": [{"name": "a/read"}, {"title": "b/read"}], "scopes_supported": ["b/read"], "protected_resources": [{"resource": "https://a.example.com", "scopes": ["b/read"]}],
			"profiles": {"p": {"redirect_uris": {"loopback": true}, "scopes": {"allowed": ["b/read"]}}}}`, brokered, []string{
			`scopes[1].name: required: a scope as in mcp/read`, `scopes[1].title: unknown; known are name, description`}},
		{`{"version": 1, "scopes": [{"name": "` + strings.Repeat("a", 254) + `/b"}, {"name": "https://a/b/c"}], "profiles": {"p": {"redirect_uris": {"loopback": true}}}}`, direct, nil},
		{scopes(`{"name": "a/read", "description": ""}, {"name": "a/b", "description": "a\u0007b"}, {"name": "a/c", "description": "` + strings.Repeat("ö", 201) + `"}, {"name": "a/d", "text": "x"}, "e"`), brokered, []string{
			`scopes[0].description: ` + text,
			`scopes[1].description: ` + text,
			`scopes[2].description: ` + text,
			`scopes[3].text: unknown; known are name, description`,
			`scopes[4]: must be an object, not a string`}},
		{scopes(`{"name": "a/read", "description": "` + strings.Repeat("ö", 200) + `"}`), brokered, nil},

		// Protected resources.
		{resources(`{"resource": "https://a.example.com/mcp", "scopes": ["a/read"]}, {"resource": "https://b.example.com/mcp", "scopes": ["a/write"]}`), brokered, nil},
		{resources(`{"resource": "https://a.example.com/mcp/"}, {"resource": "https://A.example.com/mcp"}, {"resource": "https://a.example.com/MCP"}`), brokered, []string{
			`protected_resources[1].resource: "https://A.example.com/mcp" is listed twice; a trailing slash, the default port and upper case in the host make no difference`}},
		{resources(`{}, {"resource": "http://a.example.com"}, {"resource": "https://a.example.com?"}, {"resource": "https://a.example.com/#"}, {"resource": "https://u@a.example.com"}, {"resource": "https:///a"}, {"resource": 1}`), brokered, []string{
			`protected_resources[0].resource: required: an https URL without query and fragment; http on loopback only`,
			`protected_resources[1].resource: ` + resource,
			`protected_resources[2].resource: ` + resource,
			`protected_resources[3].resource: ` + resource,
			`protected_resources[4].resource: ` + resource,
			`protected_resources[5].resource: ` + resource,
			`protected_resources[6].resource: must be a string, not a number`}},
		{resources(`{"resource": "https://a.example.com/mcp", "name": "\u202e", "scopes": ["a/read", "a/read"]}, null`), brokered, []string{
			`protected_resources[0].name: must have 1 to 128 visible characters, and must not begin or end with a space`,
			`protected_resources[0].scopes[1]: "a/read" is listed twice`,
			`protected_resources[1]: must be an object, not null`}},
		{resources(`{"resource": "https://a.example.com/mcp", "scopes": ["a/read"]}, {"resource": "https://b.example.com/mcp", "scopes": ["a/write", "a/read"]}`), brokered, []string{
			`protected_resources[1].scopes[1]: "a/read" is also a scope of protected_resources[0], so a token for one would be valid at both; ` +
				`set resource_binding, which needs the plan Essentials or Plus and managed login, or give each its own scopes`}},
		{resources(`{"resource": "https://a.example.com/mcp", "scopes": ["a/read"]}, {"resource": "https://b.example.com/mcp", "scopes": ["a/read"]}`), direct, nil},
		{resources(`{"resource": "https://:80/"}, {"resource": "https://a.b:99999/"}, {"resource": "https://a.b\"><script>x</script>/y"}, {"resource": "https://a.b/y"}, {"resource": "https://a.b:443/y"}, {"resource": "http://localhost:80/"}, {"resource": "http://localhost"}`), brokered, []string{
			`protected_resources[0].resource: ` + resource,
			`protected_resources[1].resource: ` + resource,
			`protected_resources[2].resource: ` + resource,
			`protected_resources[4].resource: "https://a.b:443/y" is listed twice; a trailing slash, the default port and upper case in the host make no difference`,
			`protected_resources[6].resource: "http://localhost" is listed twice; a trailing slash, the default port and upper case in the host make no difference`}},
		{resources(`{"resource": "https://a.b:80/y"}, {"resource": "https://a.b:4430/y"}, {"resource": "https://a.b/y"}`), brokered, nil},

		// Introspection clients.
		{resources(client("a", hash) + "," + client("b", strings.ToUpper(strings.Repeat("af", 32)))), brokered, nil},
		{resources(client("a", hash[1:]) + "," + strings.Replace(client("b", hash), `"id": "b"`, `"id": "a"`, 1) + "," + client("c", "g"+hash[1:]) + "," +
			`{"resource": "https://d.example.com", "introspection_clients": [{"id": "a b"}, {"id": 1}]}`), brokered, []string{
			`protected_resources[0].introspection_clients[0].secret_sha256: must be the SHA-256 of the secret: 64 hexadecimal characters`,
			`protected_resources[1].introspection_clients[0].id: "a" is the id of another client`,
			`protected_resources[2].introspection_clients[0].secret_sha256: must be the SHA-256 of the secret: 64 hexadecimal characters`,
			`protected_resources[3].introspection_clients[0].secret_sha256: required: the SHA-256 of the secret: 64 hexadecimal characters`,
			`protected_resources[3].introspection_clients[0].id: must be 1 to 128 letters, digits, '-' and '_'`,
			`protected_resources[3].introspection_clients[1].secret_sha256: required: the SHA-256 of the secret: 64 hexadecimal characters`,
			`protected_resources[3].introspection_clients[1].id: must be a string, not a number`}},
		// The lengths beside that of a SHA-256, and the SHA-256 of no characters.
		{resources(client("a", hash[2:]) + "," + client("b", hash+"00") + "," + client("c", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")), brokered, []string{
			`protected_resources[0].introspection_clients[0].secret_sha256: must be the SHA-256 of the secret: 64 hexadecimal characters`,
			`protected_resources[1].introspection_clients[0].secret_sha256: must be the SHA-256 of the secret: 64 hexadecimal characters`,
			`protected_resources[2].introspection_clients[0].secret_sha256: this is the SHA-256 of no characters, with which everybody could introspect tokens; the secret was empty`}},

		// Members of one mode.
		{documentWith(`, "resource_binding": true`), direct, []string{
			`resource_binding: not supported in direct mode, where clients use Cognito's authorize endpoint without the broker`}},
		{documentWith(`, "resource_binding": true`), broker.Deployment{Mode: broker.ModeBrokered, LoginVersion: 1}, []string{
			`resource_binding: needs managed login, and the domain of the user pool has the classic sign-in pages`}},
		{documentWith(`, "resource_binding": true`), broker.Deployment{Mode: broker.ModeBrokered}, nil},
		{documentWith(`, "forward_resource": true`), brokered, []string{`forward_resource: only for direct mode; in brokered mode use resource_binding`}},
		{documentWith(`, "forward_resource": true`), direct, nil},
		{documentWith(""), broker.Deployment{Mode: "mixed"}, []string{`the deployment's mode "mixed" is neither direct nor brokered`}},

		// Lifetimes.
		{documentWith(`, "lifetimes": {"access_token": "4m", "id_token": "1d", "refresh_token": "59m", "code": "5m"}`), brokered, []string{
			`lifetimes.access_token: must be minutes, hours or days as in "30m", "12h" or "7d", from 5m to 24h`,
			`lifetimes.refresh_token: must be minutes, hours or days as in "30m", "12h" or "7d", from 1h to 3650d`,
			`lifetimes.code: unknown; known are access_token, id_token, refresh_token`}},
		{documentWith(`, "lifetimes": {"access_token": 3600, "id_token": "1h30m"}`), brokered, []string{
			`lifetimes.access_token: must be minutes, hours or days as in "30m", "12h" or "7d", from 5m to 24h`,
			`lifetimes.id_token: must be minutes, hours or days as in "30m", "12h" or "7d", from 5m to 24h`}},
		{documentWith(`, "lifetimes": {"id_token": "90m", "refresh_token": "1h"}`), brokered, []string{
			`lifetimes.refresh_token: 1h is less than the lifetime of the access or ID token, 90m`}},
		{documentWith(`, "lifetimes": {"access_token": "1440m", "id_token": "5m", "refresh_token": "1d"}`), brokered, nil},

		// Branding.
		{documentWith(`, "branding": {"name": " ", "accent": "blue", "logo": "logo.png", "colour": ""}`), brokered, []string{
			`branding.name: must have 1 to 128 visible characters, and must not begin or end with a space`,
			`branding.accent: must be a colour as in #1f5fbf`,
			`branding.logo: must be a data URI that begins with data:image/png;base64, or data:image/svg+xml;base64,`,
			`branding.colour: unknown; known are name, accent, logo`}},
		{documentWith(`, "branding": {"logo": "data:image/png;base64,PHN2Zy8+"}`), brokered, []string{`branding.logo: the image is image/svg+xml and not image/png`}},
		{documentWith(`, "branding": {"logo": "data:image/png;base64,!"}`), brokered, []string{`branding.logo: what follows base64, is not base64`}},
		{documentWith(`, "branding": {"logo": "data:image/png;base64,R0lGODlh"}`), brokered, []string{`branding.logo: the logo is neither a PNG nor an SVG image`}},
		{documentWith(`, "branding": {"logo": "data:image/svg+xml;base64,PHN2Zy8+` + strings.Repeat("QUFB", 22<<10) + `"}`), brokered, []string{`branding.logo: the logo has 67590 bytes; at most 65536`}},

		// The rest.
		{documentWith(`, "support_contact": "help@example.com"`), brokered, []string{`support_contact: must be a mailto or https URL, as in mailto:help@example.com`}},
		{documentWith(`, "support_contact": "javascript:alert(1)"`), brokered, []string{`support_contact: must be a mailto or https URL, as in mailto:help@example.com`}},
		{documentWith(`, "support_contact": "mailto:a b@example.com"`), brokered, []string{`support_contact: must be a mailto or https URL, as in mailto:help@example.com`}},
		{documentWith(`, "support_contact": "https://example.com/help?from=mcp#top"`), brokered, nil},
		{documentWith(`, "support_contact": "mailto:help@example.com?subject=MCP"`), brokered, nil},
		{documentWith(`, "support_contact": "mailto:%0a@b%0d%0aBcc:x"`), brokered, []string{`support_contact: must be a mailto or https URL, as in mailto:help@example.com`}},
		{documentWith(`, "identity_providers": ["My IdP", "Okta"]`), brokered, []string{
			`identity_providers[0]: "My IdP" cannot be a name in a user pool, which has at most 32 characters and no spaces`}},
		{documentWith(`, "identity_providers": []`), brokered, []string{`identity_providers: must not be empty; leave it out for COGNITO`}},
		{documentWith(`, "identity_providers": ["` + strings.Repeat("a", 33) + `", "COGNITO", "COGNITO", ""]`), brokered, []string{
			`identity_providers[0]: "` + strings.Repeat("a", 33) + `" cannot be a name in a user pool, which has at most 32 characters and no spaces`,
			`identity_providers[2]: "COGNITO" is listed twice`,
			`identity_providers[3]: must not be empty`}},
		{documentWith(`, "app_client_quota": 0, "resource_server_quota": 301`), brokered, []string{
			`app_client_quota: must be an integer from 1 to 10000000; leave it out for 1000, Cognito's default`,
			`resource_server_quota: must be an integer from 1 to 300; leave it out for 25, Cognito's default`}},
		{documentWith(`, "grant_types_supported": ["implicit"]`), brokered, []string{
			`grant_types_supported[0]: "implicit" is not one of authorization_code, refresh_token, client_credentials`}},
		{documentWith(`, "grant_types_supported": []`), brokered, []string{`grant_types_supported: must not be empty; leave it out for the default`}},
		{strings.Replace(documentWith(`, "scopes_supported": ["a/read", "a/write"]`), `"loopback": true}`, `"loopback": true}, "scopes": {"allowed": ["a/read"]}`, 1), brokered, []string{
			`scopes_supported[1]: "a/write" is published, but the profiles do not grant it to every client that may request it; leave it out`}},
	}
	for i, tt := range tests {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			if got := faultsOf(t, tt.document, tt.mode); !slices.Equal(got, tt.want) {
				t.Errorf("%.1000s\nfaults:\n%s\nwant:\n%s", tt.document, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

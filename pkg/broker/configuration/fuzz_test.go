package configuration_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/config"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
)

// FuzzParse checks that any bytes give a configuration or faults of one line, in
// little time, and that an accepted document that is decoded and encoded is
// accepted as the same configuration.
func FuzzParse(f *testing.F) {
	f.Add(config.Example(), true)
	f.Add([]byte(documentWith("")), false)
	f.Add([]byte(manyServers(2, `, "resource_binding": true`)), true)
	f.Add([]byte(documentWith(`, "$schema": "x", "protected_resources": [{"resource": "https://a.example.com/mcp", "name": "Notes", "scopes": ["a/read"],
		"introspection_clients": [{"id": "notes", "secret_sha256": "`+strings.Repeat("0f", 32)+`"}]}],
		"scopes_supported": [], "grant_types_supported": ["authorization_code"], "support_contact": "mailto:help@example.com",
		"branding": {"name": "Example", "accent": "#0b5fff", "logo": "data:image/svg+xml;base64,PHN2Zy8+"},
		"lifetimes": {"access_token": "30m", "id_token": "2h", "refresh_token": "90d"}, "refresh_token_rotation": false,
		"identity_providers": ["Okta"], "app_client_quota": 5000, "resource_server_quota": 30,
		"token_issuers": [{"name": "ci", "issuer": "https://ci.example.com", "audience": ["a", "b"], "claims": {"repo": "x", "ref": ["y", "z"]}, "profile": "p", "max_uses": 2}],
		"statement_issuers": [{"issuer": "https://ci.example.com", "jwks_uri": "https://ci.example.com/keys?a", "algorithms": ["ES256"]}]`)), true)
	f.Add([]byte(`{"version": 1, "scopes": [{"name": "a\n"}], "scopes_supported": ["b"], "protected_resources": [{"resource": "http://[::1]:80/%zz"}], "support_contact": "mailto:%"}`), false)
	f.Add([]byte(`{"version": 1e0, "scopes": [[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]], "version": 2}`), true)
	f.Fuzz(func(t *testing.T, body []byte, inBrokered bool) {
		d := broker.Deployment{Mode: broker.ModeDirect, Issuer: "https://auth.example.com"}
		if inBrokered {
			d.Mode = broker.ModeBrokered
		}
		faults := faultsOf(t, string(body), d)
		for _, fault := range faults {
			if fault == "" || strings.ContainsFunc(fault, func(r rune) bool { return r < ' ' }) {
				t.Errorf("fault %q, want one line", fault)
			}
		}
		if faults != nil {
			return
		}
		c := parse(t, string(body), d)
		encoded, err := configuration.Encode(body)
		if err != nil {
			t.Fatal(err)
		}
		if len(encoded) > configuration.MaxSize { // white space
			return
		}
		again := parse(t, string(encoded), d)
		again.Digest = c.Digest
		if !reflect.DeepEqual(again, c) {
			t.Errorf("%s\nwas encoded as\n%s\nwhich is\n%+v\nand not\n%+v", body, encoded, again, c)
		}
		if len(c.Scopes) == 0 || len(c.Policy.Profiles()) == 0 || c.Branding.Name == "" {
			t.Errorf("an accepted configuration without scopes, profiles or name: %+v", c)
		}
		for _, s := range c.ScopesSupported {
			if !slices.Contains(c.ScopeNames(), s) {
				t.Errorf("%q is published and no scope", s)
			}
		}
	})
}

package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
	"pgregory.net/rapid"

	"github.com/dcr-broker/dcr-broker/config"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/test/golden"
	"github.com/dcr-broker/dcr-broker/test/must"
)

const (
	root = "../../.."
	file = root + "/docs/configuration.schema.json"
)

func TestSchemaIsCurrent(t *testing.T) {
	b, err := build(root)
	if err != nil {
		t.Fatal(err)
	}
	golden.Compare(t, file, b)
}

// resolved returns the schema that ships.
func resolved(t testing.TB) *jsonschema.Resolved {
	t.Helper()
	var s jsonschema.Schema
	if err := json.Unmarshal(must.ReadFile(t, file), &s); err != nil {
		t.Fatal(err)
	}
	r, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// validate returns what the schema says about a document.
func validate(t testing.TB, s *jsonschema.Resolved, document []byte) error {
	t.Helper()
	var v any
	if err := json.Unmarshal(document, &v); err != nil {
		t.Fatalf("%v in\n%s", err, document)
	}
	return s.Validate(v)
}

// modes are the deployments for one of which a document is made.
var modes = []broker.Deployment{
	{Mode: broker.ModeBrokered, Issuer: "https://auth.example.com"}, {Mode: broker.ModeDirect, Issuer: "https://auth.example.com"},
}

// accepted reports whether Parse accepts a document in one of the modes.
func accepted(document []byte) bool {
	for _, d := range modes {
		if _, err := configuration.Parse(document, d); err == nil {
			return true
		}
	}
	return false
}

// full has each member of a document.
const full = `{
	"$schema": "x", "version": 1,
	"scopes": [{"name": "openid"}, {"name": "a/read", "description": "Read"}, {"name": "a/write"}],
	"protected_resources": [{"resource": "https://a.example.com/mcp", "name": "Notes", "scopes": ["a/read"],
		"introspection_clients": [{"id": "notes", "secret_sha256": "0000000000000000000000000000000000000000000000000000000000000000"}]}],
	"resource_binding": true,
	"open_registration": "open",
	"profiles": {
		"open": {"redirect_uris": {"presets": ["claude"], "loopback": true, "https": ["https://*.example.com/cb"], "private_use_schemes": ["com.example.app"]},
			"grant_types": ["authorization_code", "refresh_token"], "token_endpoint_auth_methods": ["none"], "scopes": {"allowed": ["a/read"]},
			"limits": {"app_clients": 500, "creations_per_hour": 100, "creations_per_hour_per_token": 3}, "software_statements": "accept",
			"app_client": "shared", "approval": "manual", "consent": "remember", "users": {"groups": ["staff"], "identity_providers": ["COGNITO"]},
			"lifetimes": {"unconfirmed": "7d", "inactive": "30d", "absolute": "365d"}},
		"ci": {"redirect_uris": {"any_https": true, "any_private_use": true}, "scopes": {"allowed": ["a/read", "a/write"], "default": ["a/read"]}}},
	"token_issuers": [{"name": "ci", "issuer": "https://ci.example.com", "audience": ["a", "b"], "claims": {"repo": "x", "ref": ["y", "z"]},
		"profile": "ci", "max_uses": 2, "algorithms": ["ES256"]}],
	"statement_issuers": [{"issuer": "https://st.example.com", "jwks_uri": "https://st.example.com/keys", "audience": "x", "claims": {"a": "b"}, "algorithms": ["ES256"]}],
	"scopes_supported": ["a/read"], "grant_types_supported": ["authorization_code"],
	"branding": {"name": "Example", "accent": "#0b5fff", "logo": "data:image/svg+xml;base64,PHN2Zy8+"},
	"support_contact": "mailto:help@example.com",
	"lifetimes": {"access_token": "30m", "id_token": "2h", "refresh_token": "90d"},
	"refresh_token_rotation": false, "identity_providers": ["COGNITO", "Okta"], "app_client_quota": 5000, "resource_server_quota": 30
}`

func TestSchemaAcceptsWhatParseAccepts(t *testing.T) {
	s := resolved(t)
	documents := [][]byte{config.Example(), []byte(full), []byte(strings.Replace(full, `"open_registration": "open"`, `"open_registration": null`, 1))}
	page, _, _ := bytes.Cut(must.ReadFile(t, root+"/docs/configuration.md"), []byte("### A document with faults"))
	cookbook := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllSubmatch(page, -1)
	if n := len(cookbook); n != 5 {
		t.Fatalf("%d documents on the page, want 5", n)
	}
	for _, m := range cookbook {
		documents = append(documents, m[1])
	}
	files, err := filepath.Glob(root + "/pkg/broker/configuration/testdata/accepted/*/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no accepted documents: %v", err)
	}
	for _, file := range files {
		documents = append(documents, must.ReadFile(t, file))
	}
	for _, d := range documents {
		if !accepted(d) {
			t.Errorf("not accepted:\n%s", d)
		}
		if err := validate(t, s, d); err != nil {
			t.Errorf("%v in\n%s", err, d)
		}
	}
}

// values are what TestSchemaAcceptsChangesThatParseAccepts puts into a document.
var values = []string{
	`null`, `true`, `false`, `0`, `1`, `2`, `1.5`, `10001`, `""`, `"x"`, `"a/read"`, `"a/write"`, `"open"`, `"7d"`, `"48h"`, `"none"`, `"COGNITO"`, `"https://b.example.com"`,
	`"HTTPS://b.example.com"`, `"http://localhost:1/"`, `"mailto:a@b"`, `"#123456"`, `[]`, `["a/read"]`, `["a/read", "a/read"]`, `[null]`, `{}`, `{"x": 1}`,
}

// value draws a value of its own: a later change may change it.
func value(t *rapid.T) (v any) {
	if err := json.Unmarshal([]byte(rapid.SampledFrom(values).Draw(t, "value")), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// Whatever member of a document is replaced or removed: if Parse accepts the
// result, the schema does.
func TestSchemaAcceptsChangesThatParseAccepts(t *testing.T) {
	s := resolved(t)
	count := 0
	rapid.Check(t, func(t *rapid.T) {
		var v any
		if err := json.Unmarshal([]byte(full), &v); err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(1, 2).Draw(t, "changes") {
			change(t, v)
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if !accepted(b) {
			return
		}
		count++
		if err := s.Validate(v); err != nil {
			t.Fatalf("accepted, and the schema says %v about\n%s", err, b)
		}
	})
	if count == 0 {
		t.Error("no changed document was accepted")
	}
}

// change replaces or removes a member somewhere in v.
func change(t *rapid.T, v any) {
	for {
		o, isObject := v.(map[string]any)
		list, isList := v.([]any)
		switch {
		case isObject && len(o) > 0:
			name := rapid.SampledFrom(sorted(o)).Draw(t, "name")
			if nested(o[name]) && rapid.IntRange(0, 3).Draw(t, "deeper") > 0 {
				v = o[name]
				continue
			}
			if rapid.Bool().Draw(t, "remove") {
				delete(o, name)
			} else {
				o[name] = value(t)
			}
		case isList && len(list) > 0:
			i := rapid.IntRange(0, len(list)-1).Draw(t, "index")
			if nested(list[i]) && rapid.IntRange(0, 3).Draw(t, "deeper") > 0 {
				v = list[i]
				continue
			}
			list[i] = value(t)
		}
		return
	}
}

func TestSchemaAndParseRefuse(t *testing.T) {
	s := resolved(t)
	for _, tt := range []struct{ old, new string }{
		{`"version": 1`, `"version": 2`},
		{`"version": 1`, `"version": "1"`},
		{`"version": 1,`, ``},
		{`"$schema": "x"`, `"$schema": 1`},
		{`"resource_binding": true`, `"resource_binding": "yes"`},
		{`"resource_binding": true`, `"Resource_binding": true`},
		{`"resource_binding": true`, `"resource_binding": null`},
		{`"open_registration": "open"`, `"open_registration": ""`},
		{`"name": "a/read"`, `"name": "a read"`},
		{`"name": "a/write"`, `"name": "offline_access"`},
		{`"name": "a/write"`, `"title": "a/write"`},
		{`"name": "a/write"`, `"name": "write"`},
		{`"name": "a/write"`, `"name": "a/"`},
		{`"name": "a/write"`, `"name": "/write"`},
		{`"name": "a/write"`, `"name": "` + strings.Repeat("a", 255) + `/b"`},
		{`"description": "Read"`, `"description": ""`},
		{`"description": "Read"`, `"description": " "`},
		{`"description": "Read"`, `"description": "Read\nall"`},
		{`"description": "Read"`, `"description": "Read "`},
		{`"description": "Read"`, `"description": "` + strings.Repeat("ö", 201) + `"`},
		{`"resource": "https://a.example.com/mcp"`, `"resource": "https://a.example.com/mcp?x"`},
		{`"resource": "https://a.example.com/mcp"`, `"resource": "a.example.com"`},
		{`"resource": "https://a.example.com/mcp"`, `"resource": "http://a.example.com/mcp"`},
		{`"resource": "https://a.example.com/mcp"`, `"resource": "http://localhost.example.com"`},
		{`"scopes": ["a/read"]`, `"scopes": ["a/read", "a/read"]`},
		{`"scopes": ["a/read"]`, `"scopes": "a/read"`},
		{`"id": "notes"`, `"id": "my notes"`},
		{`"secret_sha256": "0`, `"secret_sha256": "x`},
		{`"secret_sha256": "` + strings.Repeat("0", 64), `"secret_sha256": "` + emptySHA256},
		{`"secret_sha256": "0`, `"secret_sha256": "`},
		{`"open": {"redirect`, `"Open": {"redirect`},
		{`"presets": ["claude"]`, `"presets": ["claud"]`},
		{`"loopback": true`, `"loopback": 1`},
		{`"https": ["https://*.example.com/cb"]`, `"https": ["http://example.com/cb"]`},
		{`"com.example.app"`, `"com.example.app:"`},
		{`"grant_types": ["authorization_code", "refresh_token"]`, `"grant_types": []`},
		{`"grant_types": ["authorization_code", "refresh_token"]`, `"grant_types": ["implicit"]`},
		{`"token_endpoint_auth_methods": ["none"]`, `"token_endpoint_auth_methods": ["private_key_jwt"]`},
		{`"allowed": ["a/read"]`, `"allowed": []`},
		{`"app_clients": 500`, `"app_clients": 0`},
		{`"app_clients": 500`, `"app_clients": 1.5`},
		{`"creations_per_hour": 100`, `"creations_per_hour": 10001`},
		{`"software_statements": "accept"`, `"software_statements": "always"`},
		{`"app_client": "shared"`, `"app_client": "own"`},
		{`"approval": "manual"`, `"approval": true`},
		{`"consent": "remember"`, `"consent": "never"`},
		{`"users": {"groups": ["staff"], "identity_providers": ["COGNITO"]}`, `"users": {}`},
		{`"groups": ["staff"]`, `"groups": []`},
		{`"groups": ["staff"]`, `"groups": ["the staff"]`},
		{`"unconfirmed": "7d"`, `"unconfirmed": "7 days"`},
		{`"unconfirmed": "7d"`, `"unconfirmed": 7`},
		{`{"name": "ci", "issuer"`, `{"name": "CI", "issuer"`},
		{`"issuer": "https://ci.example.com"`, `"issuer": "ci.example.com"`},
		{`"audience": ["a", "b"], `, ``},
		{`"audience": ["a", "b"]`, `"audience": []`},
		{`"audience": ["a", "b"]`, `"audience": 5`},
		{`"claims": {"repo": "x", "ref": ["y", "z"]}`, `"claims": {}`},
		{`"claims": {"repo": "x", "ref": ["y", "z"]}`, `"claims": {"repo": ""}`},
		{`"profile": "ci", `, ``},
		{`"max_uses": 2`, `"max_uses": 1001`},
		{`"algorithms": ["ES256"]`, `"algorithms": ["HS256"]`},
		{`"jwks_uri": "https://st.example.com/keys"`, `"jwks_uri": "keys"`},
		{`"grant_types_supported": ["authorization_code"]`, `"grant_types_supported": []`},
		{`"accent": "#0b5fff"`, `"accent": "blue"`},
		{`"logo": "data:image/svg+xml;base64,PHN2Zy8+"`, `"logo": "logo.svg"`},
		{`"name": "Example"`, `"name": ""`},
		{`"support_contact": "mailto:help@example.com"`, `"support_contact": "help@example.com"`},
		{`"support_contact": "mailto:help@example.com"`, `"support_contact": "mailto:help"`},
		{`"access_token": "30m"`, `"access_token": "1h30m"`},
		{`"access_token": "30m"`, `"access_token": "48h"`},
		{`"id_token": "2h"`, `"id_token": "4m"`},
		{`"refresh_token": "90d"`, `"refresh_token": "3651d"`},
		{`"unconfirmed": "7d"`, `"unconfirmed": "119m"`},
		{`"refresh_token_rotation": false`, `"refresh_token_rotation": "no"`},
		{`"identity_providers": ["COGNITO", "Okta"]`, `"identity_providers": []`},
		{`"identity_providers": ["COGNITO", "Okta"]`, `"identity_providers": ["My IdP"]`},
		{`"app_client_quota": 5000`, `"app_client_quota": 0`},
		{`"resource_server_quota": 30`, `"resource_server_quota": 301`},
	} {
		document := []byte(strings.Replace(full, tt.old, tt.new, 1))
		if string(document) == full {
			t.Errorf("%s is not in the document", tt.old)
		}
		if accepted(document) {
			t.Errorf("Parse accepts %s in place of %s", tt.new, tt.old)
		}
		if validate(t, s, document) == nil {
			t.Errorf("the schema accepts %s in place of %s", tt.new, tt.old)
		}
	}
}

func TestLifetimes(t *testing.T) {
	const day = 24 * time.Hour
	for _, bounds := range [][2]time.Duration{
		{5 * time.Minute, day}, {time.Hour, 3650 * day}, {2 * time.Hour, 3650 * day}, {day, 3650 * day}, {61 * time.Minute, 62 * time.Minute}, {9 * time.Minute, 999 * time.Minute},
	} {
		pattern, err := regexp.Compile(lifetimes(bounds[0], bounds[1]))
		if err != nil {
			t.Fatal(err)
		}
		for letter, unit := range map[string]time.Duration{"m": time.Minute, "h": time.Hour, "d": day} {
			for n := range int(bounds[1]/time.Minute) + 2000 {
				if n > 100_000 && n%97 != 0 || n > int(math.MaxInt64/unit) { // not all of millions, and no overflow
					continue
				}
				life := time.Duration(n) * unit
				text := strconv.Itoa(n) + letter
				if got, want := pattern.MatchString(text), bounds[0] <= life && life <= bounds[1]; got != want {
					t.Fatalf("from %s to %s: %s is accepted: %t, want %t", bounds[0], bounds[1], text, got, want)
				}
			}
		}
		for _, text := range []string{"", "m", "05m", "060m", "1.5h", "60", "60 m", "60s", "60m\n"} {
			if pattern.MatchString(text) {
				t.Errorf("%q is accepted", text)
			}
		}
	}
}

func TestSentence(t *testing.T) {
	for _, tt := range []struct{ name, doc, want string }{
		{"HTTPS", "HTTPS are patterns of\nhttps redirect URIs.", "Patterns of https redirect URIs."},
		{"Name", "Name is the name. Default: none.", "The name. Default: none."},
		{"Name", "Other text.", "Other text."},
	} {
		if got := sentence(tt.name, tt.doc); got != tt.want {
			t.Errorf("sentence(%q, %q) = %q, want %q", tt.name, tt.doc, got, tt.want)
		}
	}
}

func nested(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		return len(v) > 0
	case []any:
		return len(v) > 0
	}
	return false
}

func sorted(o map[string]any) []string { return slices.Sorted(maps.Keys(o)) }

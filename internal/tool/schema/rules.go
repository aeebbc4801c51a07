package main

import (
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// A rule adds what a value may be to its schema.
type rule func(*jsonschema.Schema)

const (
	name  = `^[a-z0-9-]{1,32}$`
	scope = `^[!#-\[\]-~]{1,513}$` // RFC 6749 section 3.3
	url   = `^https?://[^?#\s]+$`
)

// rules are the limits that are not in the types of the document, by path. [] is
// an element of an array, .* the value of any member.
var rules = map[string]rule{
	"scopes[].name":        all(pattern(scope), not("offline_access")),
	"scopes[].description": length(1, 200),

	"protected_resources[].resource":                              pattern(url),
	"protected_resources[].name":                                  length(1, 128),
	"protected_resources[].scopes[]":                              pattern(scope),
	"protected_resources[].introspection_clients[].id":            pattern(`^[A-Za-z0-9_-]{1,128}$`),
	"protected_resources[].introspection_clients[].secret_sha256": pattern(`^[0-9A-Fa-f]{64}$`),

	"profiles":                                       names(name),
	"profiles.*.redirect_uris.presets[]":             oneOf(policy.Presets()),
	"profiles.*.redirect_uris.https[]":               pattern(`^https://`),
	"profiles.*.redirect_uris.private_use_schemes[]": pattern(`^[A-Za-z][A-Za-z0-9+.-]*$`),
	"profiles.*.grant_types":                         items(1, 0),
	"profiles.*.grant_types[]":                       oneOf(dcr.GrantTypes()),
	"profiles.*.token_endpoint_auth_methods":         items(1, 0),
	"profiles.*.token_endpoint_auth_methods[]":       oneOf([]string{dcr.AuthNone, dcr.AuthSecretBasic, dcr.AuthSecretPost}),
	"profiles.*.scopes.allowed":                      items(1, policy.MaxScopes),
	"profiles.*.scopes.allowed[]":                    pattern(scope),
	"profiles.*.scopes.default":                      items(1, policy.MaxScopes),
	"profiles.*.scopes.default[]":                    pattern(scope),
	"profiles.*.users":                               members(1),
	"profiles.*.users.groups":                        items(1, 0),
	"profiles.*.users.groups[]":                      all(pattern(`^\S+$`), length(1, 128)),
	"profiles.*.users.identity_providers":            items(1, 0),
	"profiles.*.users.identity_providers[]":          all(pattern(`^\S+$`), length(1, 128)),

	"token_issuers[].name":             pattern(name),
	"token_issuers[].issuer":           pattern(url),
	"token_issuers[].profile":          pattern(name),
	"token_issuers[].algorithms":       items(1, 0),
	"token_issuers[].algorithms[]":     oneOf(policy.Algorithms()),
	"statement_issuers[].issuer":       pattern(url),
	"statement_issuers[].jwks_uri":     pattern(`^https?://[^#\s]+$`),
	"statement_issuers[].algorithms":   items(1, 0),
	"statement_issuers[].algorithms[]": oneOf(policy.Algorithms()),

	"scopes_supported[]":      pattern(scope),
	"grant_types_supported":   items(1, 0),
	"grant_types_supported[]": oneOf(dcr.GrantTypes()),
	"branding.name":           length(1, 128),
	"branding.accent":         pattern(`^#[0-9A-Fa-f]{6}$`),
	"branding.logo":           pattern(`^data:image/(png|svg\+xml);base64,[A-Za-z0-9+/]+={0,2}$`),
	"support_contact":         pattern(`^(https://|mailto:)\S+$`),
	"identity_providers":      items(1, 0),
	"identity_providers[]":    length(1, 32),
}

func pattern(p string) rule { return func(s *jsonschema.Schema) { s.Pattern = p } }

func oneOf(values []string) rule {
	return func(s *jsonschema.Schema) {
		for _, v := range values {
			s.Enum = append(s.Enum, v)
		}
	}
}

func not(value any) rule {
	return func(s *jsonschema.Schema) { s.Not = &jsonschema.Schema{Const: &value} }
}

func length(least, most int) rule {
	return func(s *jsonschema.Schema) { s.MinLength, s.MaxLength = &least, &most }
}

// items bounds the length of an array; 0 is no limit.
func items(least, most int) rule {
	return func(s *jsonschema.Schema) {
		s.MinItems = &least
		if most > 0 {
			s.MaxItems = &most
		}
	}
}

func members(least int) rule { return func(s *jsonschema.Schema) { s.MinProperties = &least } }

func names(p string) rule {
	return func(s *jsonschema.Schema) { s.PropertyNames = &jsonschema.Schema{Pattern: p} }
}

func all(list ...rule) rule {
	return func(s *jsonschema.Schema) {
		for _, r := range list {
			r(s)
		}
	}
}

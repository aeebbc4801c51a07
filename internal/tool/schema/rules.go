package main

import (
	"encoding/json"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// A rule adds what a value may be to its schema.
type rule func(*jsonschema.Schema)

const (
	name     = `^[a-z0-9-]{1,32}$`
	scope    = `^(openid|email|phone|profile|aws\.cognito\.signin\.user\.admin|[!#-\[\]-~]+/[!#-.0-\[\]-~]+)$`
	url      = `^(https://|http://(localhost|127\.0\.0\.1|\[::1\])([:/]|$))[^?#\s]*$`
	keys     = `^(https://|http://(localhost|127\.0\.0\.1|\[::1\])([:/]|$))[^#\s]*$`
	poolName = `^\S+$`
	text     = `^\S(.*\S)?$` // in one line, no space at the ends
)

// rules are the limits that are not in the types of the document, by path. [] is
// an element of an array, .* the value of any member.
var rules = map[string]rule{
	"scopes[].name":        all(pattern(scope), length(1, 256)),
	"scopes[].description": all(pattern(text), length(1, 200)),

	"protected_resources[].resource":                              pattern(url),
	"protected_resources[].name":                                  all(pattern(text), length(1, 128)),
	"protected_resources[].scopes[]":                              pattern(scope),
	"protected_resources[].introspection_clients[].id":            pattern(`^[A-Za-z0-9_-]{1,128}$`),
	"protected_resources[].introspection_clients[].secret_sha256": all(pattern(`^[0-9A-Fa-f]{64}$`), not(emptySHA256)),

	"resource_binding":                               standard(false),
	"profiles":                                       names(name),
	"profiles.*.redirect_uris.presets[]":             oneOf(policy.Presets()),
	"profiles.*.redirect_uris.any_https":             standard(false),
	"profiles.*.redirect_uris.any_private_use":       standard(false),
	"profiles.*.redirect_uris.https":                 unique,
	"profiles.*.redirect_uris.https[].pattern":       pattern(`^https://`),
	"profiles.*.redirect_uris.https[].forwards":      standard(false),
	"profiles.*.redirect_uris.private_use_schemes[]": pattern(`^[A-Za-z][A-Za-z0-9+.-]*$`),
	"profiles.*.grant_types":                         all(items(1, 0), standard(dcr.DefaultGrantTypes())),
	"profiles.*.grant_types[]":                       oneOf(dcr.GrantTypes()),
	"profiles.*.token_endpoint_auth_methods":         all(items(1, 0), standard([]string{dcr.AuthNone})),
	"profiles.*.token_endpoint_auth_methods[]":       oneOf([]string{dcr.AuthNone, dcr.AuthSecretBasic, dcr.AuthSecretPost}),
	"profiles.*.scopes.allowed":                      items(1, policy.MaxScopes),
	"profiles.*.scopes.allowed[]":                    pattern(scope),
	"profiles.*.scopes.default":                      items(1, policy.MaxScopes),
	"profiles.*.scopes.default[]":                    pattern(scope),
	"profiles.*.software_statements":                 standard(policy.IgnoreStatements),
	"profiles.*.approval":                            standard(policy.ApprovalNone),
	"profiles.*.consent":                             standard(policy.ConsentAlways),
	"profiles.*.users":                               members(1),
	"profiles.*.users.groups":                        items(1, 0),
	"profiles.*.users.groups[]":                      all(pattern(poolName), length(1, 128)),
	"profiles.*.users.identity_providers":            items(1, 0),
	"profiles.*.users.identity_providers[]":          all(pattern(poolName), length(1, policy.MaxProvider)),

	"token_issuers[].name":             pattern(name),
	"token_issuers[].issuer":           pattern(url),
	"token_issuers[].profile":          pattern(name),
	"token_issuers[].algorithms":       items(1, 0),
	"token_issuers[].algorithms[]":     oneOf(policy.Algorithms()),
	"statement_issuers[].issuer":       pattern(url),
	"statement_issuers[].jwks_uri":     pattern(keys),
	"statement_issuers[].algorithms":   items(1, 0),
	"statement_issuers[].algorithms[]": oneOf(policy.Algorithms()),

	"scopes_supported[]":      pattern(scope),
	"grant_types_supported":   all(items(1, 0), standard(dcr.DefaultGrantTypes())),
	"grant_types_supported[]": oneOf(dcr.GrantTypes()),
	"branding.name":           all(pattern(text), length(1, 128)),
	"branding.accent":         pattern(`^#[0-9A-Fa-f]{6}$`),
	"branding.logo":           pattern(`^data:image/(png|svg\+xml);base64,[A-Za-z0-9+/]+={0,2}$`),
	"support_contact":         pattern(`^(https://[^\s/]|mailto:[^@\s?]+@[^@\s?])\S*$`),
	"lifetimes.access_token":  standard("1h"),
	"lifetimes.id_token":      standard("1h"),
	"lifetimes.refresh_token": standard("30d"),
	"refresh_token_rotation":  standard(true),
	"identity_providers":      all(items(1, 0), standard([]string{"COGNITO"})),
	"identity_providers[]":    all(pattern(poolName), length(1, policy.MaxProvider)),
	"app_client_quota":        standard(1000),
	"resource_server_quota":   standard(25),
	"forward_resource":        standard(false),
}

// emptySHA256 is the SHA-256 of no characters.
const emptySHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// standard sets the value that holds if the member is left out.
func standard(value any) rule {
	b, err := json.Marshal(value)
	if err != nil {
		panic(err) // the values are above
	}
	return func(s *jsonschema.Schema) { s.Default = b }
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

func unique(s *jsonschema.Schema) { s.UniqueItems = true }

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

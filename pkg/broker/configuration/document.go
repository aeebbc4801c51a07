package configuration

import (
	"encoding/json"
	"strconv"

	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/strict"
)

// internal/tool/schema makes the descriptions in the JSON Schema of the comments
// of these types.

// Document is the configuration of a broker, except its wiring.
type Document struct {
	// Schema is the address of the JSON Schema, for editors. The broker ignores
	// it.
	Schema string `json:"$schema,omitzero"`
	// Version is the version of the document's form: 1.
	Version int `json:"version" range:"1..1"`
	// Scopes are all scopes that clients of this deployment can get. Each must
	// exist in the user pool.
	Scopes []DocumentScope `json:"scopes" must:"must be an array of objects with at least one scope"`
	// ProtectedResources are the MCP servers for which clients request access.
	ProtectedResources []DocumentResource `json:"protected_resources,omitzero"`
	// ResourceBinding says whether the user pool binds an access token to the
	// requested resource (RFC 8707). This needs the plan Essentials or Plus, and
	// managed login. Without it, no two protected resources may share a scope.
	// Only in brokered mode. Default: false.
	ResourceBinding bool `json:"resource_binding,omitzero"`

	policy.Document

	// ScopesSupported are the scopes that the authorization server metadata
	// publishes (RFC 8414). Clients may request all of them, so the profiles must
	// grant them. Default: the scopes that the profile of open registration
	// grants, or without open registration those that any profile grants.
	ScopesSupported []string `json:"scopes_supported,omitzero"`
	// GrantTypesSupported are the grant types that the authorization server
	// metadata publishes. Default: authorization_code and refresh_token.
	GrantTypesSupported []string `json:"grant_types_supported,omitzero"`
	// Branding is the operator's name and design of the pages. Only in brokered
	// mode: direct mode has no pages.
	Branding DocumentBranding `json:"branding,omitzero"`
	// SupportContact is where users find help: a mailto or https URL.
	SupportContact *string `json:"support_contact,omitzero"`
	// Lifetimes are the lifetimes of the tokens that Cognito issues.
	Lifetimes DocumentLifetimes `json:"lifetimes,omitzero"`
	// RefreshTokenRotation says whether each refresh returns a new refresh token,
	// which OAuth 2.1 requires of public clients. Default: true.
	RefreshTokenRotation *bool `json:"refresh_token_rotation,omitzero"`
	// IdentityProviders are the identity providers on the sign-in page, by their
	// names in the user pool: 1 to 32 characters each, no spaces. A profile with
	// users.identity_providers has these instead. Default: COGNITO, the users of the
	// user pool itself.
	IdentityProviders []string `json:"identity_providers,omitzero"`
	// AppClientQuota is how many app clients the user pool can have. Default: 1000,
	// Cognito's quota, which can be raised.
	AppClientQuota int `json:"app_client_quota,omitzero" range:"1..10000000" absent:"leave it out for 1000, Cognito's default"`
	// ResourceServerQuota is how many resource servers the user pool can have.
	// Default: 25, Cognito's quota, which can be raised to 300.
	ResourceServerQuota int `json:"resource_server_quota,omitzero" range:"1..300" absent:"leave it out for 25, Cognito's default"`
	// ForwardResource says whether the token endpoint forwards the resource
	// parameter (RFC 8707) to Cognito. Only in direct mode. Default: false.
	ForwardResource bool `json:"forward_resource,omitzero"`
}

// DocumentScope is a scope that the deployment offers.
type DocumentScope struct {
	// Name is the scope as clients request it: openid, email, phone, profile or
	// aws.cognito.signin.user.admin, or a custom scope, which is written
	// resourceServer/name. It has at most 256 characters.
	Name string `json:"name"`
	// Description is the text for users on the consent page, at most 200 visible
	// characters. It must not begin or end with a space.
	Description *string `json:"description,omitzero"`
}

// DocumentResource is a protected resource: an MCP server.
type DocumentResource struct {
	// Resource is the URL of the server as clients send it: https without query
	// and fragment; http on loopback only.
	Resource string `json:"resource"`
	// Name is the name for users, at most 128 visible characters. It must not begin
	// or end with a space.
	Name *string `json:"name,omitzero"`
	// Scopes are the scopes of this server. A grant for it has no others. Without
	// scopes, no client can get a token for it in brokered mode.
	Scopes []string `json:"scopes,omitzero"`
	// IntrospectionClients are the credentials with which the server may
	// introspect tokens (RFC 7662). Without effect in direct mode.
	IntrospectionClients []DocumentIntrospectionClient `json:"introspection_clients,omitzero"`
}

// DocumentIntrospectionClient is a credential for introspection.
type DocumentIntrospectionClient struct {
	// ID is the client id: letters, digits, '-' and '_'. Each occurs once in the
	// document.
	ID string `json:"id"`
	// SecretSHA256 is the SHA-256 of the client secret: 64 hexadecimal characters. The
	// secret has 32 random bytes; "dcrctl resource credential" makes one.
	SecretSHA256 string `json:"secret_sha256"`
}

// DocumentBranding is the operator's name and design of the pages. Without effect
// in direct mode, which has no pages.
type DocumentBranding struct {
	// Name is the operator's name for users, at most 128 visible characters. It
	// must not begin or end with a space. Default: the host of the issuer.
	Name *string `json:"name,omitzero"`
	// Accent is the colour of buttons and links, as in #1f5fbf.
	Accent *string `json:"accent,omitzero"`
	// Logo is a PNG or SVG image of at most 64 KB, as a data URI.
	Logo *string `json:"logo,omitzero"`
}

// DocumentLifetimes are the lifetimes of tokens: minutes, hours or days, as in
// 30m, 12h or 7d.
type DocumentLifetimes struct {
	// AccessToken is the lifetime of access tokens. Default: 1h.
	AccessToken strict.Lifetime `json:"access_token,omitzero" range:"5m..24h"`
	// IDToken is the lifetime of ID tokens. Default: 1h.
	IDToken strict.Lifetime `json:"id_token,omitzero" range:"5m..24h"`
	// RefreshToken is the lifetime of refresh tokens, not less than that of the
	// others. Default: 30d.
	RefreshToken strict.Lifetime `json:"refresh_token,omitzero" range:"1h..3650d"`
}

// decode adds the faults of the document to f. It returns false if the content
// cannot be checked.
func decode(body []byte, f *strict.Faults) (o Document, ok bool) {
	tree, ok := strict.Read(body, MaxSize, f)
	if !ok {
		return o, false
	}
	if n := versionOf(tree); n > SchemaVersion {
		// Members may be unknown because they are newer, so there is no other
		// fault.
		*f = strict.Faults{}
		f.Add("version", "this program reads version %d; a document of version %d needs a newer release", SchemaVersion, n)
		return o, false
	}
	strict.Decode("", tree, &o, f)
	return o, !f.At("")
}

// versionOf returns the member version, or 0 if it is no integer.
func versionOf(tree any) int {
	o, _ := tree.(map[string]any)
	literal, _ := o["version"].(json.Number)
	n, _ := strconv.Atoi(literal.String())
	return n
}

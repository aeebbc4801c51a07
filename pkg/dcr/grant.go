package dcr

import "slices"

// The grant types that a client can register. Validate drops all others.
const (
	GrantAuthorizationCode = "authorization_code"
	GrantRefreshToken      = "refresh_token"
	GrantClientCredentials = "client_credentials"
)

// A GrantType is a grant type that a client can register, with the rules that
// follow from the type itself.
type GrantType struct {
	Name string
	// With is the grant type that a client must register beside this one, or ""
	// if this one stands alone. A client registers one grant type that stands
	// alone: Cognito does not allow client_credentials beside another.
	With string
	// Redirects: the client sends users to the authorization endpoint, with the
	// response type code, so it must register redirect URIs (RFC 7591 §2 and
	// §2.1).
	Redirects bool
	// OwnName: the client gets tokens in its own name, not in a user's, so it
	// must authenticate with a secret (RFC 6749 §4.4).
	OwnName bool
}

// grantTypes are all grant types that a client can register. No other list
// exists: the grant types in a policy, in the metadata document and at the
// token endpoint are parts of this one. A new grant type also needs:
//
//   - validate.go: its name in the error descriptions.
//   - pkg/broker/token: the parameters in Request, and an implementation that
//     Issuer.Token calls. internal/endpoint/token: reading the parameters.
//   - pkg/broker/relay/request.go: the parameters for Cognito.
//   - internal/adapter/cognito: the OAuth flow of its app clients in mapping.go
//     and brokered.go, and in adopt.go the way back.
//   - pkg/broker/policy: whether a profile of open registration may have it
//     (document.go), and its scopes and authentication method (apply.go).
//   - pkg/broker/authorization, if users have to consent to it.
//   - pkg/broker/configuration, if the metadata document has it although the
//     configuration has no grant_types_supported.
//   - docs/configuration.md and docs/tokens.md.
//
// Tests fail if the table contradicts itself, an issuer does not implement a
// grant type, or an app client for it would have no OAuth flow.
var grantTypes = []GrantType{
	{Name: GrantAuthorizationCode, Redirects: true},
	{Name: GrantRefreshToken, With: GrantAuthorizationCode},
	{Name: GrantClientCredentials, OwnName: true},
}

// GrantTypes returns the names of all grant types that a client can register.
func GrantTypes() []string {
	var names []string
	for _, t := range grantTypes {
		names = append(names, t.Name)
	}
	return names
}

// DefaultGrantTypes returns the grant types of a client that names none.
func DefaultGrantTypes() []string { return grantTypes[0].Together() }

// GrantTypeOf returns the grant type of that name, if a client can register it.
func GrantTypeOf(name string) (t GrantType, ok bool) {
	i := slices.IndexFunc(grantTypes, func(t GrantType) bool { return t.Name == name })
	if i < 0 {
		return GrantType{}, false
	}
	return grantTypes[i], true
}

// UseRedirects reports whether a client with the grant types of these names uses
// the authorization endpoint.
func UseRedirects(names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { t, _ := GrantTypeOf(name); return t.Redirects })
}

// InOwnName reports whether a client with the grant types of these names gets
// tokens in its own name.
func InOwnName(names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { t, _ := GrantTypeOf(name); return t.OwnName })
}

// Together returns the name of t and those that a client may register beside it.
func (t GrantType) Together() []string {
	names := []string{t.Name}
	for _, other := range grantTypes {
		if other.With == t.Name {
			names = append(names, other.Name)
		}
	}
	return names
}

// ResponseTypes returns the response types of a client with the grant type t.
func (t GrantType) ResponseTypes() []string {
	if !t.Redirects {
		return nil
	}
	return []string{ResponseTypeCode}
}

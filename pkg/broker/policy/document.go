package policy

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/dcr-broker/dcr-broker/pkg/strict"
)

// internal/tool/schema makes the descriptions in the JSON Schema of the comments
// of these types.

// Document is the part of a configuration document about registrations.
type Document struct {
	// OpenRegistration is the name of the profile under which everybody can
	// register. Without it, or with null, every registration needs an initial
	// access token.
	OpenRegistration string `json:"open_registration,omitzero" must:"must be the name of a profile; leave it out to switch open registration off" null:"absent"`
	// Profiles are the named sets of rules for registrations. A name has 1 to 32
	// of the characters a-z, 0-9 and '-'. A registration keeps its profile for as
	// long as it exists.
	Profiles map[string]DocumentProfile `json:"profiles" must:"must be an object with at least one profile"`
	// TokenIssuers are issuers of JWTs that are accepted as initial access
	// tokens. The first entry that fits a JWT counts.
	TokenIssuers []DocumentTokenIssuer `json:"token_issuers,omitzero" must:"must be an array of objects, and not empty; leave it out to trust no issuer"`
	// StatementIssuers are issuers of software statements (RFC 7591 section 2.3)
	// that are trusted.
	StatementIssuers []DocumentStatementIssuer `json:"statement_issuers,omitzero" must:"must be an array of objects, and not empty; leave it out to trust no issuer"`
}

// DocumentProfile is a profile: what a registration may have, and how long it
// lives.
type DocumentProfile struct {
	// RedirectURIs are the redirect URIs that a registration may have. Required
	// with the grant type authorization_code.
	RedirectURIs *DocumentRedirects `json:"redirect_uris,omitzero"`
	// GrantTypes are the grant types that a registration may have. Default:
	// authorization_code and refresh_token.
	GrantTypes []string `json:"grant_types,omitzero"`
	// AuthMethods are the token endpoint authentication methods that a
	// registration may have. Default: none.
	AuthMethods []string `json:"token_endpoint_auth_methods,omitzero"`
	// Scopes are the scopes that a registration may have. Default: all of the
	// document except aws.cognito.signin.user.admin.
	Scopes *DocumentScopes `json:"scopes,omitzero"`
	// Limits are the limits on the registrations of the profile. Default: none.
	Limits DocumentLimits `json:"limits,omitzero"`
	// SoftwareStatements says how software statements are treated: ignored, or
	// checked if there is one (accept), or required. Default: ignore.
	SoftwareStatements SoftwareStatements `json:"software_statements,omitzero"`
	// AppClient says through which Cognito app client users sign in: one that all
	// registrations of the profile share, or a dedicated one for each
	// registration. A user pool with managed login has room for 20 app clients
	// through which users sign in. A client with client_credentials always has a
	// dedicated one. Only in brokered mode. Default: shared, or dedicated if
	// client_credentials is the only grant type.
	AppClient AppClient `json:"app_client,omitzero"`
	// Approval says whether an operator has to approve a registration before its
	// first use. Only in brokered mode. Default: none.
	Approval Approval `json:"approval,omitzero"`
	// Consent says how often a user has to consent: at each authorization, or
	// once in 30 days (remember). Only in brokered mode. Default: always.
	Consent Consent `json:"consent,omitzero"`
	// Users are the users who may consent. Only in brokered mode. Default: all.
	Users *Users `json:"users,omitzero"`
	// Lifetimes say how long registrations live.
	Lifetimes DocumentLifetimes `json:"lifetimes,omitzero"`
}

// DocumentRedirects is rules for redirect URIs. A redirect URI is allowed if one
// of them allows it.
type DocumentRedirects struct {
	// Presets are names of known clients, whose redirect URIs are allowed.
	Presets []string `json:"presets,omitzero"`
	// Loopback allows http on localhost, 127.0.0.1 and [::1], with any port, path
	// and query.
	Loopback *bool `json:"loopback,omitzero"`
	// HTTPS are patterns of https redirect URIs. The host may begin with '*.' for
	// one label, and the path may end with '/*' for one segment. A pattern is a
	// string, or an object with pattern and forwards.
	HTTPS []DocumentHTTPS `json:"https,omitzero"`
	// AnyHTTPS allows every https redirect URI. Not for the profile of open
	// registration.
	AnyHTTPS bool `json:"any_https,omitzero"`
	// PrivateUseSchemes are schemes as in com.example.app, of which every redirect
	// URI is allowed.
	PrivateUseSchemes []string `json:"private_use_schemes,omitzero"`
	// AnyPrivateUse allows every redirect URI of a scheme with a dot. Not for the
	// profile of open registration.
	AnyPrivateUse bool `json:"any_private_use,omitzero"`
}

// DocumentHTTPS is a pattern of https redirect URIs. A string is a pattern that
// does not forward.
type DocumentHTTPS struct {
	// Pattern is the pattern.
	Pattern string `json:"pattern"`
	// Forwards is true if the server of these redirect URIs hands responses on to a
	// program on the user's device, or to a URL that the request names. Users are
	// then asked at each authorization. Default: false.
	Forwards bool `json:"forwards,omitzero"`
}

// DecodeTree decodes a string or an object.
func (h *DocumentHTTPS) DecodeTree(path string, tree any, f *strict.Faults) {
	switch v := tree.(type) {
	case string:
		if v == "" {
			f.Add(path, "must not be empty")
		}
		h.Pattern = v
	case map[string]any:
		type object DocumentHTTPS // without DecodeTree
		strict.Decode(path, v, (*object)(h), f)
		if h.Pattern == "" && !f.Within(path) {
			f.Add(path+".pattern", "required: a pattern, as in https://app.example.com/callback")
		}
	default:
		f.Add(path, "must be a pattern, or an object with pattern and forwards")
	}
}

// MarshalJSON writes a pattern that does not forward as a string.
func (h DocumentHTTPS) MarshalJSON() ([]byte, error) {
	if !h.Forwards {
		return json.Marshal(h.Pattern)
	}
	type object DocumentHTTPS // without MarshalJSON
	return json.Marshal(object(h))
}

// DocumentScopes are the scopes of a profile.
type DocumentScopes struct {
	// Allowed are the scopes that a registration may have. Each is declared under
	// scopes. An app client can have 50. Default: all of the document except
	// aws.cognito.signin.user.admin.
	Allowed []string `json:"allowed,omitzero"`
	// Default are the scopes for a registration that asks for none. Not for the
	// profile of open registration. Default: those of allowed.
	Default []string `json:"default,omitzero"`
}

// DocumentLimits are the limits on the registrations of a profile.
type DocumentLimits struct {
	// AppClients is how many Cognito app clients the registrations of the profile
	// may have at the same time. In brokered mode the shared one counts once.
	AppClients int `json:"app_clients,omitzero" range:"1..10000" absent:"leave it out for no limit"`
	// CreationsPerHour is how many registrations there may be in an hour for each
	// redirect rule.
	CreationsPerHour int `json:"creations_per_hour,omitzero" range:"1..10000" absent:"leave it out for no limit"`
	// CreationsPerHourPerToken is how many registrations there may be in an hour
	// with one initial access token, or by one subject of a token issuer.
	CreationsPerHourPerToken int `json:"creations_per_hour_per_token,omitzero" range:"1..10000" absent:"leave it out for no limit"`
}

// DocumentLifetimes are the lifetimes of registrations: minutes, hours or days,
// as in 30m, 12h or 7d.
type DocumentLifetimes struct {
	// Unconfirmed is the time after which a registration that no user has used is
	// removed.
	// Default: 7d for the profile of open registration in brokered mode, no end
	// otherwise.
	Unconfirmed strict.Lifetime `json:"unconfirmed,omitzero" range:"2h..3650d"`
	// Inactive is the time after which a registration is removed, counted from its
	// last use, or from the registration if it was never used. Default: no end.
	Inactive strict.Lifetime `json:"inactive,omitzero" range:"1d..3650d"`
	// Absolute is the time after which a registration is removed, used or not,
	// counted from the registration. Default: no end.
	Absolute strict.Lifetime `json:"absolute,omitzero" range:"1d..3650d"`
}

// DocumentTokenIssuer is an issuer of JWTs that are accepted as initial access
// tokens.
type DocumentTokenIssuer struct {
	// Name is the name of the entry: 1 to 32 of the characters a-z, 0-9 and '-'.
	Name string `json:"name"`
	// Issuer is the iss of the JWTs, compared exactly: an https URL without query;
	// http on loopback only.
	Issuer string `json:"issuer"`
	// Audience is who a JWT has to be for (aud). Of several, one is enough.
	Audience Strings `json:"audience"`
	// Claims are required claims. The value of a claim is one of the given
	// strings, or a list that has one of them.
	Claims map[string]Strings `json:"claims" must:"must be an object with at least one claim, each with a string or an array of strings"`
	// Profile is the name of the profile that a registration gets.
	Profile string `json:"profile"`
	// MaxUses is how many registrations one JWT allows. Default: any number until
	// it expires.
	MaxUses int `json:"max_uses,omitzero" range:"1..1000" absent:"leave it out for any number of uses while the token is valid"`
	// Algorithms are the signature algorithms that a JWT may use; the same in all
	// entries of an issuer. Default: RS256 and ES256.
	Algorithms []string `json:"algorithms,omitzero"`
}

// DocumentStatementIssuer is an issuer of software statements.
type DocumentStatementIssuer struct {
	// Issuer is the iss of the statements, compared exactly: an https URL without
	// query; http on loopback only.
	Issuer string `json:"issuer"`
	// JWKSURI is the URL of the issuer's keys. Default: the one in the issuer's
	// discovery document.
	JWKSURI *string `json:"jwks_uri,omitzero"`
	// Audience is who a statement has to be for (aud). Of several, one is enough.
	// Default: a statement with aud is refused.
	Audience Strings `json:"audience,omitzero"`
	// Claims are required claims. The value of a claim is one of the given
	// strings, or a list that has one of them.
	Claims map[string]Strings `json:"claims,omitzero" must:"must be an object with at least one claim, each with a string or an array of strings"`
	// Algorithms are the signature algorithms that a statement may use. Default:
	// RS256 and ES256.
	Algorithms []string `json:"algorithms,omitzero"`
}

// Strings is a string, or an array of strings of which one is enough.
type Strings []string

// DecodeTree decodes a string or an array of strings that is not empty.
func (s *Strings) DecodeTree(path string, tree any, f *strict.Faults) {
	if one, ok := tree.(string); ok {
		if one == "" {
			f.Add(path, "must not be empty")
		}
		*s = Strings{one}
		return
	}
	strict.Decode(path, tree, (*[]string)(s), f)
	if *s != nil && len(*s) == 0 {
		f.Add(path, "must not be empty")
	}
}

// MarshalJSON writes one string without array.
func (s Strings) MarshalJSON() ([]byte, error) {
	if len(s) == 1 {
		return json.Marshal(s[0])
	}
	return json.Marshal([]string(s))
}

// Choices returns the values.
func (SoftwareStatements) Choices() []string {
	return []string{string(IgnoreStatements), string(AcceptStatements), string(RequireStatements)}
}

// Choices returns the values.
func (AppClient) Choices() []string {
	return []string{string(SharedAppClient), string(DedicatedAppClient)}
}

// Choices returns the values.
func (Approval) Choices() []string { return []string{string(ApprovalNone), string(ApprovalManual)} }

// Choices returns the values.
func (Consent) Choices() []string { return []string{string(ConsentAlways), string(ConsentRemember)} }

func sortedNames[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

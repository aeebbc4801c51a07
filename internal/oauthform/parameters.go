package oauthform

import (
	"net/url"
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// GrantType returns the grant type of a token request, which is one of the three
// that there are here and one that the client is registered for.
func GrantType(f Form, reg *broker.Registration) (string, error) {
	grantType := f.Value("grant_type")
	switch grantType {
	case "":
		return "", InvalidRequest("grant_type is required")
	case dcr.GrantAuthorizationCode, dcr.GrantRefreshToken, dcr.GrantClientCredentials:
	default:
		return "", Refusal("unsupported_grant_type", "supported are authorization_code, refresh_token and client_credentials")
	}
	if !slices.Contains(reg.Metadata.GrantTypes, grantType) {
		return "", Refusal("unauthorized_client", "the client is not registered for this grant type; it is for "+strings.Join(reg.Metadata.GrantTypes, ", "))
	}
	return grantType, nil
}

// CodeRequest is what redeems a code (RFC 6749 §4.1.3, RFC 7636 §4.5).
type CodeRequest struct{ Code, RedirectURI, Verifier string }

// Code returns what the form says of a code, all of it there and of the right
// syntax.
func Code(f Form) (CodeRequest, error) {
	r := CodeRequest{f.Value("code"), f.Value("redirect_uri"), f.Value("code_verifier")}
	switch {
	case r.Code == "":
		return r, InvalidRequest("code is required")
	case r.RedirectURI == "":
		return r, InvalidRequest("redirect_uri is required, the one of the authorization request")
	case r.Verifier == "":
		return r, InvalidRequest("code_verifier is required: PKCE with S256 (RFC 7636)")
	case !validVerifier(r.Verifier):
		return r, InvalidRequest("code_verifier must have 43 to 128 letters, digits, and hyphen, dot, underscore, tilde (RFC 7636 section 4.1)")
	}
	return r, nil
}

// validVerifier checks the syntax of RFC 7636 §4.1.
func validVerifier(s string) bool {
	const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
	return len(s) >= 43 && len(s) <= 128 && strings.Trim(s, unreserved) == ""
}

// Scopes returns the scopes that were asked for, each once, if all of them are
// among those allowed. offline_access is passed over: Cognito does not have it
// and clients ask for it by habit.
func Scopes(f Form, allowed []string) ([]string, error) {
	var scopes []string
	for _, s := range strings.Fields(f.Value("scope")) {
		if s == "offline_access" || slices.Contains(scopes, s) {
			continue
		}
		if !slices.Contains(allowed, s) {
			return nil, Refusal("invalid_scope", "the client may not have the scope "+dcr.Quote(s))
		}
		scopes = append(scopes, s)
	}
	return scopes, nil
}

// Resource returns the one resource of the request, "" if there is none (RFC
// 8707 §2). Cognito takes one audience a token.
func Resource(f Form) (string, error) {
	for _, s := range f["resource"] {
		u, err := url.Parse(s)
		if err != nil || !u.IsAbs() || strings.Contains(s, "#") {
			return "", Refusal("invalid_target", "resource must be an absolute URI without fragment")
		}
		if s != f.Value("resource") {
			return "", Refusal("invalid_target", "a token can be for one resource only")
		}
	}
	return f.Value("resource"), nil
}

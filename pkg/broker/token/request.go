package token

import (
	"net/url"
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// Request is a token request (RFC 6749 §4.1.3, §4.4.2 and §6), with the values
// as the client sent them; a parameter that it did not send is "". The methods
// check the values. It prints as "[redacted]".
type Request struct {
	credential.Redacted
	// Client authenticates the client. Its id is REQUIRED, its secret is
	// REQUIRED for a confidential client.
	Client clients.Credentials
	// GrantType is one of dcr.GrantTypes. REQUIRED.
	GrantType string

	// Code is the authorization code. REQUIRED with authorization_code.
	Code string
	// RedirectURI is that of the authorization request. REQUIRED with
	// authorization_code.
	RedirectURI string
	// Verifier is the code_verifier (RFC 7636 §4.5). REQUIRED with
	// authorization_code.
	Verifier string

	// RefreshToken is the client's current one. REQUIRED with refresh_token.
	RefreshToken credential.Token

	// Scope has the requested scopes, separated by spaces. OPTIONAL with
	// refresh_token and client_credentials.
	Scope string
	// Resource has the MCP servers that the token is for (RFC 8707 §2).
	// OPTIONAL; two different ones are refused.
	Resource []string
}

// CheckGrantType returns a *broker.Refusal unless the grant type is one of
// dcr.GrantTypes and the client is registered for it (RFC 6749 §5.2).
func (r *Request) CheckGrantType(reg *broker.Registration) error {
	if r.GrantType == "" {
		return broker.Refuse(dcr.InvalidRequest, "grant_type is required")
	}
	if slices.Contains(reg.Metadata.GrantTypes, r.GrantType) {
		return nil
	}
	if _, ok := dcr.GrantTypeOf(r.GrantType); !ok {
		all := dcr.GrantTypes()
		last := len(all) - 1
		return broker.Refuse(broker.UnsupportedGrantType, "supported are "+strings.Join(all[:last], ", ")+" and "+all[last])
	}
	return broker.Refuse(broker.UnauthorizedClient,
		"the client is not registered for this grant type; it is for "+strings.Join(reg.Metadata.GrantTypes, ", "))
}

// CheckCode returns a *broker.Refusal unless all parameters for a code are
// present and have the right syntax. The broker requires PKCE, and redirect_uri
// with every code; RFC 6749 §4.1.3 requires redirect_uri if the authorization
// request had it.
func (r *Request) CheckCode() error {
	switch {
	case r.Code == "":
		return broker.Refuse(dcr.InvalidRequest, "code is required")
	case r.RedirectURI == "":
		return broker.Refuse(dcr.InvalidRequest, "redirect_uri is required, the one of the authorization request")
	case r.Verifier == "":
		return broker.Refuse(dcr.InvalidRequest, "code_verifier is required: PKCE with S256 (RFC 7636)")
	case !validVerifier(r.Verifier):
		return broker.Refuse(dcr.InvalidRequest,
			"code_verifier must have 43 to 128 letters, digits, and hyphen, dot, underscore, tilde (RFC 7636 section 4.1)")
	}
	return nil
}

// validVerifier checks the syntax. RFC 7636 §4.1: 43 to 128 unreserved
// characters.
func validVerifier(s string) bool {
	const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
	return len(s) >= 43 && len(s) <= 128 && strings.Trim(s, unreserved) == ""
}

// NotRegistered completes the description of ScopesWithin for the scopes of a
// registration.
const NotRegistered = "is not one that the client is registered for"

// ScopesWithin returns the requested scopes that are allowed, each once, or a
// *broker.Refusal if a known one is not allowed; why completes its description.
// ScopesWithin leaves out unknown ones: many clients always request the same
// scopes, such as openid and offline_access, whatever the metadata says.
func (r *Request) ScopesWithin(allowed []string, known func(scope string) bool, why string) ([]string, error) {
	var scopes []string
	for s := range strings.FieldsSeq(r.Scope) {
		if slices.Contains(scopes, s) {
			continue
		}
		if !slices.Contains(allowed, s) {
			if !known(s) {
				continue
			}
			return nil, broker.Refuse(broker.InvalidScope, "the scope "+dcr.Quote(s)+" "+why)
		}
		scopes = append(scopes, s)
	}
	return scopes, nil
}

// OneResource returns the requested resource, "" if the request has none, or a
// *broker.Refusal. A resource is an absolute URI without a fragment, and a
// server may refuse more than one (RFC 8707 §2). Cognito binds a token to one.
func (r *Request) OneResource() (string, error) {
	for _, s := range r.Resource {
		u, err := url.Parse(s)
		if err != nil || !u.IsAbs() || strings.Contains(s, "#") {
			return "", broker.Refuse(broker.InvalidTarget, "resource must be an absolute URI without fragment")
		}
		if s != r.Resource[0] {
			return "", broker.Refuse(broker.InvalidTarget, "a token can be for one resource only")
		}
	}
	if len(r.Resource) == 0 {
		return "", nil
	}
	return r.Resource[0], nil
}

package discovery

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Upstream holds the members of the user pool's own discovery document that the
// broker uses (OpenID Connect Discovery 1.0 §3). ParseUpstream and
// CognitoUpstream return only values that can be published.
type Upstream struct {
	// Issuer is the issuer of the tokens. REQUIRED. It never appears in the
	// broker's documents.
	Issuer string
	// AuthorizationEndpoint is where users sign in at the pool. REQUIRED.
	AuthorizationEndpoint string
	// TokenEndpoint is where the pool issues tokens. REQUIRED.
	TokenEndpoint string
	// RevocationEndpoint is where the pool revokes refresh tokens. OPTIONAL.
	RevocationEndpoint string
	// UserinfoEndpoint returns claims about a user. RECOMMENDED in OpenID
	// Connect, OPTIONAL here.
	UserinfoEndpoint string
	// JWKSURI is the document with the keys of the tokens. REQUIRED.
	JWKSURI string
	// SubjectTypes are the kinds of sub. REQUIRED.
	SubjectTypes []string
	// IDTokenSigningAlgs are the algorithms of ID tokens. REQUIRED.
	IDTokenSigningAlgs []string
	// Claims are the claims that the pool may return. RECOMMENDED in OpenID
	// Connect, OPTIONAL here: Cognito currently lists none.
	Claims []string
}

// ParseUpstream reads an OpenID provider configuration (OpenID Connect
// Discovery 1.0 §3) whose issuer must be the given one (§4.3).
// Names are matched exactly and a duplicate is an error, so that the document
// has only one reading. Unused members are ignored. null, "" and empty strings
// in a list mean absent. An error names the member: a required member is
// missing, an endpoint is neither https nor on a loopback host, or a value has
// the wrong type.
func ParseUpstream(body []byte, issuer string) (Upstream, error) {
	var up Upstream
	texts := map[string]*string{
		"issuer":                 &up.Issuer,
		"authorization_endpoint": &up.AuthorizationEndpoint,
		"token_endpoint":         &up.TokenEndpoint,
		"revocation_endpoint":    &up.RevocationEndpoint,
		"userinfo_endpoint":      &up.UserinfoEndpoint,
		"jwks_uri":               &up.JWKSURI,
	}
	lists := map[string]*[]string{
		"subject_types_supported":               &up.SubjectTypes,
		"id_token_signing_alg_values_supported": &up.IDTokenSigningAlgs,
		"claims_supported":                      &up.Claims,
	}
	err := eachMember(body, func(name string, value json.RawMessage) error {
		if text, ok := texts[name]; ok {
			if json.Unmarshal(value, text) != nil {
				return fmt.Errorf("%s: must be a string", name)
			}
		}
		if list, ok := lists[name]; ok {
			if json.Unmarshal(value, list) != nil {
				return fmt.Errorf("%s: must be an array of strings", name)
			}
			*list = nonEmpty(*list)
		}
		return nil
	})
	if err != nil {
		return Upstream{}, fmt.Errorf("discovery: upstream document: %w", err)
	}
	// OpenID Connect Discovery 1.0 §4.3: the issuer in the document must be
	// exactly the one with which its URL was made.
	if up.Issuer != issuer {
		return Upstream{}, fmt.Errorf("discovery: upstream document: issuer is %.200q, want %q", up.Issuer, issuer)
	}
	if err := up.check(); err != nil {
		return Upstream{}, fmt.Errorf("discovery: upstream document: %w", err)
	}
	return up, nil
}

// CognitoUpstream returns the content of a user pool's document, for use before
// the document can be read. issuer is the pool's issuer, domain the origin of
// its sign-in pages (https://name.auth.region.amazoncognito.com or a custom
// domain). The paths below it are the same in every pool.
func CognitoUpstream(issuer, domain string) (Upstream, error) {
	if err := checkOrigin(domain); err != nil {
		return Upstream{}, fmt.Errorf("discovery: user pool domain %.200q: %w", domain, err)
	}
	up := Upstream{
		Issuer:                issuer,
		AuthorizationEndpoint: domain + "/oauth2/authorize",
		TokenEndpoint:         domain + "/oauth2/token",
		RevocationEndpoint:    domain + "/oauth2/revoke",
		UserinfoEndpoint:      domain + "/oauth2/userInfo",
		JWKSURI:               issuer + "/.well-known/jwks.json",
		SubjectTypes:          []string{"public"},
		IDTokenSigningAlgs:    []string{"RS256"},
	}
	if err := up.check(); err != nil {
		return Upstream{}, fmt.Errorf("discovery: user pool: %w", err)
	}
	return up, nil
}

// check reports the first member that cannot be published.
func (up Upstream) check() error {
	for _, m := range []struct {
		name, value string
		required    bool
	}{
		{"issuer", up.Issuer, true},
		{"authorization_endpoint", up.AuthorizationEndpoint, true},
		{"token_endpoint", up.TokenEndpoint, true},
		{"revocation_endpoint", up.RevocationEndpoint, false},
		{"userinfo_endpoint", up.UserinfoEndpoint, false},
		{"jwks_uri", up.JWKSURI, true},
	} {
		if m.value == "" && !m.required {
			continue
		}
		if _, err := checkURL(m.value); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	// The document of a pool without a domain names endpoints under the issuer,
	// where no server answers.
	if up.AuthorizationEndpoint == strings.TrimSuffix(up.Issuer, "/")+"/authorize" {
		return errors.New("authorization_endpoint: the user pool has no domain")
	}
	for _, m := range []struct {
		name     string
		values   []string
		required bool
	}{
		{"subject_types_supported", up.SubjectTypes, true},
		{"id_token_signing_alg_values_supported", up.IDTokenSigningAlgs, true},
		{"claims_supported", up.Claims, false},
	} {
		if len(m.values) == 0 && m.required {
			return fmt.Errorf("%s: missing", m.name)
		}
		if err := checkTokens(m.values); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return nil
}

// eachMember calls f for each member of the JSON object in body, in order.
// encoding/json alone matches names without regard to case and uses the last
// duplicate.
func eachMember(body []byte, f func(name string, value json.RawMessage) error) error {
	if !utf8.Valid(body) {
		return errors.New("not UTF-8")
	}
	// This check comes first, so that Token below sees only well-formed JSON
	// with bounded nesting.
	if !json.Valid(body) {
		return errors.New("not JSON")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return errors.New("not a JSON object")
	}
	seen := make(map[string]bool)
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return errors.New("not JSON")
		}
		name, ok := t.(string)
		if !ok {
			return errors.New("not JSON")
		}
		if seen[name] {
			return fmt.Errorf("%.100q: duplicate name", name)
		}
		seen[name] = true
		var value json.RawMessage
		if dec.Decode(&value) != nil {
			return errors.New("not JSON")
		}
		if err := f(name, value); err != nil {
			return err
		}
	}
	return nil
}

// nonEmpty returns the values that are not empty, without duplicates, in their
// order.
func nonEmpty(values []string) []string {
	var list []string
	for _, v := range values {
		if v != "" && !slices.Contains(list, v) {
			list = append(list, v)
		}
	}
	return list
}

// checkTokens accepts values in the alphabet of a scope-token (RFC 6749 §3.3).
// Grant types, authentication methods, claim names and algorithms use the same
// alphabet.
func checkTokens(values []string) error {
	for _, v := range values {
		if v == "" {
			return errors.New("has an empty value")
		}
		if strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '\\' }) {
			return fmt.Errorf("%.100q has a character that is not allowed", v)
		}
	}
	return nil
}

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

// Upstream is what we use of the user pool's own discovery document. ParseUpstream
// and CognitoUpstream return only values that can be published.
type Upstream struct {
	// Issuer is in the tokens, never in our documents.
	Issuer                string
	AuthorizationEndpoint string
	TokenEndpoint         string
	RevocationEndpoint    string // may be empty
	UserinfoEndpoint      string // may be empty
	JWKSURI               string
	SubjectTypes          []string
	IDTokenSigningAlgs    []string
	Claims                []string // may be empty; Cognito lists none today
}

// ParseUpstream reads an OpenID provider configuration (OpenID Connect Discovery
// 1.0 section 3) whose issuer must be the given one (section 4.3). The caller
// bounds the length of body.
//
// Names are matched exactly and a duplicate is an error, so that no second reading
// of the document exists. Members we do not use are ignored, null, "" and empty
// strings in a list mean absent. A missing required member, an endpoint that is
// neither https nor on a loopback host, or any other type than the one specified
// is an error that names the member.
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
			*list = present(*list)
		}
		return nil
	})
	if err != nil {
		return Upstream{}, fmt.Errorf("discovery: upstream document: %w", err)
	}
	if up.Issuer != issuer {
		return Upstream{}, fmt.Errorf("discovery: upstream document: issuer is %.200q, want %q", up.Issuer, issuer)
	}
	if err := up.check(); err != nil {
		return Upstream{}, fmt.Errorf("discovery: upstream document: %w", err)
	}
	return up, nil
}

// CognitoUpstream is what the document of a user pool says when it has not been
// read yet: issuer is the pool's, domain the origin of its sign-in pages
// (https://name.auth.region.amazoncognito.com or a custom domain). The paths below
// it are the same in every pool.
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

// Clone returns a copy that shares no memory with up.
func (up Upstream) Clone() Upstream {
	up.SubjectTypes = slices.Clone(up.SubjectTypes)
	up.IDTokenSigningAlgs = slices.Clone(up.IDTokenSigningAlgs)
	up.Claims = slices.Clone(up.Claims)
	return up
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
	// A pool without a domain names endpoints under its issuer where nothing
	// answers.
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
		if err := checkWords(m.values); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return nil
}

// eachMember calls f for each member of the JSON object that body is, in order.
// encoding/json alone would match names without regard to case and let the last
// duplicate win.
func eachMember(body []byte, f func(name string, value json.RawMessage) error) error {
	if !utf8.Valid(body) {
		return errors.New("not UTF-8")
	}
	// Valid first, so that Token below meets only well-formed, bounded nesting.
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

// present returns the values that are not empty, each once, in their order.
func present(values []string) []string {
	var kept []string
	for _, v := range values {
		if v != "" && !slices.Contains(kept, v) {
			kept = append(kept, v)
		}
	}
	return kept
}

// checkWords accepts values in the alphabet of RFC 6749 section 3.3 (scope-token),
// which grant types, authentication methods, claim names and algorithms keep to as
// well.
func checkWords(values []string) error {
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

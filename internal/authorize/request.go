package authorize

import (
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

const (
	// maxState is how long the state of a client may be, in bytes.
	maxState = 2 << 10
	// maxHint is how long nonce and login_hint may be, which go on to Cognito.
	maxHint = 512
)

// request is an authorization request of which client and redirect URI are
// settled and everything else has been checked.
type request struct {
	state     string
	nonce     string
	loginHint string
	lang      string
	prompts   []string
	challenge string
	scopes    []string
	resource  string
}

// oauthError is what a client is told (RFC 6749 §4.1.2.1).
type oauthError struct{ code, description string }

func (e *oauthError) Error() string { return e.code + ": " + e.description }

func invalidRequest(description string) *oauthError {
	return &oauthError{"invalid_request", description}
}

// limits are what a request is checked against.
type limits struct {
	registered []string // scopes
	defaults   []string // scopes for a request that names none
	resources  []broker.Resource
}

// parseRequest checks a request. It returns a *oauthError, or nil.
func parseRequest(q query, l limits) (request, *oauthError) {
	req := request{state: q.value("state")}
	if len(q.repeated) > 0 {
		return req, invalidRequest(repeats(q.repeated[0]))
	}
	if len(req.state) > maxState {
		return req, invalidRequest("state may have 2048 bytes at most")
	}
	for _, check := range []func(query) *oauthError{req.parseType, req.parsePKCE, req.parsePrompt, req.parseHints} {
		if err := check(q); err != nil {
			return req, err
		}
	}
	res, err := chooseResource(q.resource, l.resources)
	if err != nil {
		return req, err
	}
	req.resource = res.URL
	req.scopes, err = chooseScopes(q.value("scope"), l, res)
	return req, err
}

func (req *request) parseType(q query) *oauthError {
	switch {
	case q.has("request"):
		return &oauthError{"request_not_supported", "request objects are not supported"}
	case q.has("request_uri"):
		return &oauthError{"request_uri_not_supported", "request objects are not supported"}
	case !q.has("response_type"):
		return invalidRequest("response_type is required, and must be code")
	case q.value("response_type") != dcr.ResponseTypeCode:
		return &oauthError{"unsupported_response_type", "response_type must be code"}
	case q.has("response_mode") && q.value("response_mode") != "query":
		return invalidRequest("response_mode must be query")
	}
	return nil
}

// parsePKCE takes S256 alone. Without a method it would be plain (RFC 7636
// §4.3).
func (req *request) parsePKCE(q query) *oauthError {
	req.challenge = q.value("code_challenge")
	switch {
	case req.challenge == "":
		return invalidRequest("code_challenge is required: PKCE with S256 (RFC 7636)")
	case q.value("code_challenge_method") != "S256":
		return invalidRequest("code_challenge_method must be S256")
	case !validChallenge(req.challenge):
		return invalidRequest("code_challenge must be 43 characters of base64url, the SHA-256 of the verifier (RFC 7636 section 4.2)")
	}
	return nil
}

// validChallenge reports whether s can be the SHA-256 of something.
func validChallenge(s string) bool {
	const base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return len(s) == 43 && strings.Trim(s, base64url) == ""
}

// parsePrompt takes those of OpenID Connect Core §3.1.2.1.
func (req *request) parsePrompt(q query) *oauthError {
	req.prompts = strings.Fields(q.value("prompt"))
	for _, p := range req.prompts {
		if !slices.Contains([]string{"none", "login", "select_account", "consent"}, p) {
			return invalidRequest("prompt may be none, login, select_account and consent")
		}
	}
	if req.prompt("none") && len(req.prompts) > 1 {
		return invalidRequest("prompt none must stand alone")
	}
	return nil
}

func (req *request) prompt(p string) bool { return slices.Contains(req.prompts, p) }

// isLanguage reports whether s is a language tag as far as we need it (RFC 5646
// §2.1): two to eight letters, then up to four subtags.
func isLanguage(s string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	subtags := strings.Split(s, "-")
	if len(subtags) > 5 || len(subtags[0]) < 2 || strings.Trim(subtags[0], letters) != "" {
		return false
	}
	return !slices.ContainsFunc(subtags, func(t string) bool {
		return t == "" || len(t) > 8 || strings.Trim(t, letters+"0123456789") != ""
	})
}

// parseHints reads what is handed on to Cognito. A language that is none is no
// error (OpenID Connect Core §3.1.2.1), and lang is Cognito's name for the first
// of ui_locales.
func (req *request) parseHints(q query) *oauthError {
	req.nonce, req.loginHint = q.value("nonce"), q.value("login_hint")
	for name, value := range map[string]string{"nonce": req.nonce, "login_hint": req.loginHint} {
		if len(value) > maxHint {
			return invalidRequest(name + " may have 512 bytes at most")
		}
	}
	if !printable(req.nonce) {
		return invalidRequest("nonce may only have printable ASCII characters")
	}
	tags := append([]string{q.value("lang")}, strings.Fields(q.value("ui_locales"))...)
	if i := slices.IndexFunc(tags, isLanguage); i >= 0 {
		req.lang = tags[i]
	}
	return nil
}

// chooseResource returns the protected resource that a request is for. None at
// all is the only one there is; if none is configured, it is the zero Resource.
func chooseResource(sent []string, known []broker.Resource) (broker.Resource, *oauthError) {
	if len(sent) == 0 {
		switch len(known) {
		case 0:
			return broker.Resource{}, nil
		case 1:
			return known[0], nil
		}
		return broker.Resource{}, &oauthError{"invalid_target", "resource is required, since there is more than one (RFC 8707)"}
	}
	var chosen *broker.Resource
	for _, s := range sent {
		i := slices.IndexFunc(known, func(r broker.Resource) bool { return broker.SameResource(r.URL, s) })
		if i < 0 {
			return broker.Resource{}, &oauthError{"invalid_target", "resource is not a protected resource of this server"}
		}
		if chosen != nil && chosen != &known[i] {
			return broker.Resource{}, &oauthError{"invalid_target", "a grant can be for one resource only"}
		}
		chosen = &known[i]
	}
	return *chosen, nil
}

// chooseScopes returns what is to be granted: requested and registered and the
// resource's. What is unknown is dropped, and so is offline_access, which Cognito
// does not have and clients ask for by habit.
func chooseScopes(sent string, l limits, res broker.Resource) ([]string, *oauthError) {
	requested := strings.Fields(sent)
	if len(requested) == 0 {
		requested = l.defaults
	}
	var scopes []string
	for _, s := range requested {
		known := slices.Contains(l.registered, s) && (res.URL == "" || slices.Contains(res.Scopes, s))
		if known && s != "offline_access" && !slices.Contains(scopes, s) {
			scopes = append(scopes, s)
		}
	}
	if len(scopes) == 0 {
		return nil, &oauthError{"invalid_scope", "none of the scopes is one that this client may have here"}
	}
	return scopes, nil
}

package authorization

import (
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

const (
	// maxState is the maximum length of a client's state, in bytes.
	maxState = 2 << 10
	// maxHint is the maximum length of nonce and login_hint, in bytes. Cognito
	// gets both.
	maxHint = 512
)

// validRequest is a valid authorization request of a known client.
type validRequest struct {
	state     string
	nonce     string
	loginHint string
	lang      string
	prompts   []string
	challenge string
	resource  string
	scopes    []string
	// rules are those by which scopes was chosen.
	rules scopeRules
}

func invalidRequest(description string) *broker.Refusal {
	return broker.Refuse(dcr.InvalidRequest, description)
}

// limits has the values that a request is checked against.
type limits struct {
	scopes    scopeRules
	resources []broker.Resource
}

// validate checks the parameters of a request, apart from client_id and
// redirect_uri. With a refusal, the result has only the state.
func validate(r Request, l limits) (validRequest, *broker.Refusal) {
	req := validRequest{state: r.State}
	if len(r.Repeated) > 0 {
		return req, invalidRequest(mustNotRepeat(r.Repeated[0]))
	}
	if len(req.state) > maxState {
		return req, invalidRequest("state may have 2048 bytes at most")
	}
	for _, check := range []func(Request) *broker.Refusal{req.parseType, req.parsePKCE, req.parsePrompt, req.parseHints} {
		if refusal := check(r); refusal != nil {
			return req, refusal
		}
	}
	res, refusal := chooseResource(r.Resources, l.resources)
	if refusal != nil {
		return req, refusal
	}
	req.resource, req.rules = res.URL, l.scopes
	if res.URL != "" {
		req.rules = req.rules.within(res.Scopes)
	}
	req.scopes, refusal = req.rules.choose(r.Scope)
	return req, refusal
}

// parseType accepts only the response type code and the response mode query.
func (req *validRequest) parseType(r Request) *broker.Refusal {
	switch {
	// OpenID Connect Core §6: a server that does not support request objects
	// returns these codes.
	case r.RequestObject != "":
		return broker.Refuse(RequestNotSupported, "request objects are not supported")
	case r.RequestURI != "":
		return broker.Refuse(RequestURINotSupported, "request objects are not supported")
	// RFC 6749 §3.1.1: without response_type, or with an unknown one, the server
	// MUST return an error.
	case r.ResponseType == "":
		return invalidRequest("response_type is required, and must be code")
	case r.ResponseType != dcr.ResponseTypeCode:
		return broker.Refuse(UnsupportedResponseType, "response_type must be code")
	case r.ResponseMode != "" && r.ResponseMode != "query":
		return invalidRequest("response_mode must be query")
	}
	return nil
}

// parsePKCE accepts only S256. Without code_challenge_method the method would
// be plain (RFC 7636 §4.3), which sends the verifier in the clear. Every client
// must use PKCE (RFC 9700 §2.1.1).
func (req *validRequest) parsePKCE(r Request) *broker.Refusal {
	req.challenge = r.Challenge
	switch {
	case req.challenge == "":
		return invalidRequest("code_challenge is required: PKCE with S256 (RFC 7636)")
	case r.ChallengeMethod != "S256":
		return invalidRequest("code_challenge_method must be S256")
	case !validChallenge(req.challenge):
		return invalidRequest("code_challenge must be 43 characters of base64url, the SHA-256 of the verifier (RFC 7636 section 4.2)")
	}
	return nil
}

// validChallenge reports whether s can be a SHA-256 in base64url.
func validChallenge(s string) bool {
	const base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return len(s) == 43 && strings.Trim(s, base64url) == ""
}

// parsePrompt accepts the values of OpenID Connect Core §3.1.2.1. The value
// none must be alone.
func (req *validRequest) parsePrompt(r Request) *broker.Refusal {
	req.prompts = strings.Fields(r.Prompt)
	for _, prompt := range req.prompts {
		if !slices.Contains([]string{"none", "login", "select_account", "consent"}, prompt) {
			return invalidRequest("prompt may be none, login, select_account and consent")
		}
	}
	if req.prompt("none") && len(req.prompts) > 1 {
		return invalidRequest("prompt none must stand alone")
	}
	return nil
}

func (req *validRequest) prompt(p string) bool { return slices.Contains(req.prompts, p) }

// parseHints reads the parameters that Cognito gets.
func (req *validRequest) parseHints(r Request) *broker.Refusal {
	req.nonce, req.loginHint, req.lang = r.Nonce, r.LoginHint, r.language()
	switch {
	case len(req.nonce) > maxHint:
		return invalidRequest("nonce may have 512 bytes at most")
	case len(req.loginHint) > maxHint:
		return invalidRequest("login_hint may have 512 bytes at most")
	case !broker.Printable(req.nonce):
		return invalidRequest("nonce may only have printable ASCII characters")
	}
	return nil
}

// chooseResource returns the protected resource of a request (RFC 8707 §2). A
// request without resource is for the deployment's only resource. If the
// deployment has none, the result is the zero Resource.
func chooseResource(sent []string, known []broker.Resource) (broker.Resource, *broker.Refusal) {
	if len(sent) == 0 {
		switch len(known) {
		case 0:
			return broker.Resource{}, nil
		case 1:
			return known[0], nil
		}
		return broker.Resource{}, broker.Refuse(broker.InvalidTarget, "resource is required, since there is more than one (RFC 8707)")
	}
	var chosen *broker.Resource
	for _, s := range sent {
		i := slices.IndexFunc(known, func(r broker.Resource) bool { return broker.SameResource(r.URL, s) })
		if i < 0 {
			return broker.Resource{}, broker.Refuse(broker.InvalidTarget, "resource is not a protected resource of this server")
		}
		if chosen != nil && chosen != &known[i] {
			return broker.Resource{}, broker.Refuse(broker.InvalidTarget, "a grant can be for one resource only")
		}
		chosen = &known[i]
	}
	return *chosen, nil
}

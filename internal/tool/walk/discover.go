package walk

import (
	"errors"
	"net/http"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/oauthex"
)

// brokered reports whether the broker itself is the authorization server, and
// not Cognito.
func (j *journey) brokered() bool { return j.server.SendsIssuer }

// resource has the protected resource metadata that the walk needs.
type resource struct {
	Resource             string   `json:"resource"`
	AuthorizationServers []string `json:"authorization_servers"`
}

// server has the authorization server metadata that the walk needs.
type server struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	RegistrationEndpoint  string   `json:"registration_endpoint"`
	ResponseTypes         []string `json:"response_types_supported"`
	AuthMethods           []string `json:"token_endpoint_auth_methods_supported"`
	ChallengeMethods      []string `json:"code_challenge_methods_supported"`
	SendsIssuer           bool     `json:"authorization_response_iss_parameter_supported"`
}

// checkChallenge checks a call without a token (RFC 9728 §5.1).
func (j *journey) checkChallenge(x *exchange) error {
	if j.metadataURL != "" {
		return errors.New("the client called the MCP server again without a token")
	}
	j.out.step("Call the MCP server without a token")
	j.out.request(x, member{"method", x.call().Method})
	j.out.answer(x)

	challenges, err := oauthex.ParseWWWAuthenticate(x.res.Header.Values("WWW-Authenticate"))
	if err != nil {
		return err
	}
	var p problems
	p.equal("status", x.res.StatusCode, http.StatusUnauthorized)
	for _, c := range challenges {
		if c.Scheme != "bearer" {
			continue
		}
		j.out.challenge(c.Params, "error", "error_description", "resource_metadata", "scope")
		j.metadataURL, j.requiredScope = c.Params["resource_metadata"], c.Params["scope"]
		p.equal("error in the challenge to a call without a token (RFC 6750 section 3.1)", c.Params["error"], "")
	}
	p.want(j.metadataURL != "", "the challenge %q names no resource_metadata", x.res.Header.Get("WWW-Authenticate"))
	return j.conclude(p, "the challenge names the address of the server's metadata")
}

// checkResource checks the protected resource metadata (RFC 9728).
func (j *journey) checkResource(x *exchange) error {
	j.out.step("Read the protected resource metadata (RFC 9728)")
	j.out.request(x)
	j.out.answer(x)
	var p problems
	p.equal("address", x.req.URL.String(), j.metadataURL)
	p.equal("status", x.res.StatusCode, http.StatusOK)
	if err := p.err(); err != nil {
		return err
	}
	if err := x.decode(&j.resource); err != nil {
		return err
	}
	j.out.object(x.resBody, "resource", "authorization_servers", "scopes_supported")
	// RFC 9728 §3.3: compared character by character.
	p.equal("resource", j.resource.Resource, j.opts.MCP)
	p.want(len(j.resource.AuthorizationServers) > 0, "authorization_servers is empty")
	return j.conclude(p, "the resource is the address that was called, and it names its authorization server")
}

// checkServer checks the authorization server metadata (RFC 8414).
func (j *journey) checkServer(x *exchange) error {
	j.out.step("Read the authorization server metadata (RFC 8414)")
	j.out.request(x)
	j.out.answer(x)
	issuer := j.resource.AuthorizationServers[0]
	var p problems
	p.equal("address", x.req.URL.String(), issuer+"/.well-known/oauth-authorization-server")
	p.equal("status", x.res.StatusCode, http.StatusOK)
	if err := p.err(); err != nil {
		return err
	}
	if err := x.decode(&j.server); err != nil {
		return err
	}
	j.out.object(x.resBody, "issuer", "registration_endpoint", "authorization_endpoint", "token_endpoint", "revocation_endpoint",
		"scopes_supported", "grant_types_supported", "token_endpoint_auth_methods_supported", "code_challenge_methods_supported",
		"authorization_response_iss_parameter_supported")
	s := j.server
	// RFC 8414 §3.3: identical, or the document must not be used.
	p.equal("issuer", s.Issuer, issuer)
	p.want(!strings.HasSuffix(s.Issuer, "/"), "issuer %q ends in a slash", s.Issuer)
	p.want(s.AuthorizationEndpoint != "", "authorization_endpoint is missing")
	p.want(s.TokenEndpoint != "", "token_endpoint is missing")
	p.want(s.RegistrationEndpoint != "", "registration_endpoint is missing")
	p.contains("response_types_supported", s.ResponseTypes, "code")
	p.contains("code_challenge_methods_supported", s.ChallengeMethods, "S256")
	p.contains("token_endpoint_auth_methods_supported", s.AuthMethods, j.opts.authMethod())
	facts := []string{"the issuer is the one that the resource names", "it supports PKCE with S256, and registration"}
	if j.brokered() {
		p.equal("authorization_endpoint", s.AuthorizationEndpoint, s.Issuer+"/authorize")
		facts = append(facts, "the broker authorizes clients, and its responses name their issuer (RFC 9207)")
	} else {
		facts = append(facts, "Cognito itself authorizes clients")
	}
	return j.conclude(p, facts...)
}

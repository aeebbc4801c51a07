package walk

import (
	"errors"
	"net/http"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/oauthex"
)

// brokered reports whether the broker itself is the authorization server that
// signs people in, and not Cognito.
func (j *journey) brokered() bool { return j.server.SendsIssuer }

// resource is what the walk needs of protected resource metadata.
type resource struct {
	Resource             string   `json:"resource"`
	AuthorizationServers []string `json:"authorization_servers"`
}

// server is what it needs of authorization server metadata.
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

// challenged is a call without a token (RFC 9728 section 5.1).
func (j *journey) challenged(x *exchange) error {
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
		j.metadataURL, j.needed = c.Params["resource_metadata"], c.Params["scope"]
		p.equal("error in the challenge to a call without a token (RFC 6750 section 3.1)", c.Params["error"], "")
	}
	p.want(j.metadataURL != "", "the challenge %q names no resource_metadata", x.res.Header.Get("WWW-Authenticate"))
	return j.holds(p, "the challenge says where the server's metadata is")
}

// readResource is protected resource metadata.
func (j *journey) readResource(x *exchange) error {
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
	// Compared as strings, character by character (RFC 9728 section 3.3).
	p.equal("resource", j.resource.Resource, j.opts.MCP)
	p.want(len(j.resource.AuthorizationServers) > 0, "authorization_servers is empty")
	return j.holds(p, "the resource is the address that we called, and it names who issues tokens for it")
}

// readServer is authorization server metadata (RFC 8414).
func (j *journey) readServer(x *exchange) error {
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
	// Section 3.3: identical, or the document must not be used.
	p.equal("issuer", s.Issuer, issuer)
	p.want(!strings.HasSuffix(s.Issuer, "/"), "issuer %q ends in a slash", s.Issuer)
	p.want(s.AuthorizationEndpoint != "", "authorization_endpoint is missing")
	p.want(s.TokenEndpoint != "", "token_endpoint is missing")
	p.want(s.RegistrationEndpoint != "", "registration_endpoint is missing")
	p.contains("response_types_supported", s.ResponseTypes, "code")
	p.contains("code_challenge_methods_supported", s.ChallengeMethods, "S256")
	p.contains("token_endpoint_auth_methods_supported", s.AuthMethods, j.opts.authMethod())
	facts := []string{"the issuer is the one that the resource names", "it knows PKCE with S256, and registration"}
	if j.brokered() {
		p.equal("authorization_endpoint", s.AuthorizationEndpoint, s.Issuer+"/authorize")
		facts = append(facts, "people authorize at the broker, and its answers say who they are from (RFC 9207)")
	} else {
		facts = append(facts, "people authorize at Cognito itself")
	}
	return j.holds(p, facts...)
}

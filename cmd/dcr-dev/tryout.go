package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/internal/tool/devstack"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// request is the metadata of a client that registers, to be tried by hand.
type request struct {
	Name         string   `json:"client_name"`
	RedirectURIs []string `json:"redirect_uris,omitempty"`
	GrantTypes   []string `json:"grant_types,omitempty"`
	AuthMethod   string   `json:"token_endpoint_auth_method,omitempty"`
}

// Redirect URIs that many profiles allow.
const (
	loopbackURI = "http://localhost:7777/callback"
	hostedURI   = "https://app.example.com/callback"
)

// presetURIs are redirect URIs of the presets that have no loopback.
var presetURIs = []string{
	"https://claude.ai/api/mcp/auth_callback", "https://chatgpt.com/connector_platform_oauth_redirect", "https://oauth.n8n.cloud/oauth2/callback",
	"https://antigravity.google/oauth-callback", "https://global.consent.azure-apim.net/redirect/app", "https://vertexaisearch.cloud.google.com/oauth-redirect",
}

// openly returns a registration without token that the profile of open
// registration accepts, or "" if there is none.
func openly(p *policy.Profile) string {
	return firstAccepted(p, dcr.AuthNone, slices.Concat([]string{loopbackURI, hostedURI}, allowedURIs(p), presetURIs))
}

// withToken returns a registration with an initial access token that the
// profile accepts, or "" if there is none.
func withToken(p *policy.Profile) string {
	return firstAccepted(p, "", slices.Concat([]string{hostedURI}, allowedURIs(p), presetURIs, []string{loopbackURI, "com.example.app:/callback"}))
}

// allowedURIs returns a redirect URI for each pattern and each scheme of the
// profile. They are guesses; the profile decides.
func allowedURIs(p *policy.Profile) []string {
	var uris []string
	for rule := range strings.SplitSeq(p.RedirectURIs(), "; ") {
		if strings.HasPrefix(rule, "https://") {
			uris = append(uris, strings.ReplaceAll(rule, "*", "app"))
		} else if strings.HasSuffix(rule, ":") {
			uris = append(uris, rule+"/callback")
		}
	}
	return uris
}

// firstAccepted returns the first body that the profile accepts: with one of the
// redirect URIs, or of a client without users.
func firstAccepted(p *policy.Profile, method string, uris []string) string {
	if p.SoftwareStatements() == policy.RequireStatements {
		return ""
	}
	requests := make([]request, 0, len(uris)+1)
	for _, uri := range uris {
		requests = append(requests, request{Name: "My client", RedirectURIs: []string{uri}, AuthMethod: method})
	}
	for _, r := range append(requests, request{Name: "My job", GrantTypes: []string{dcr.GrantClientCredentials}}) {
		body, err := json.Marshal(r)
		if err == nil && accepts(p, body) {
			return string(body)
		}
	}
	return ""
}

// accepts reports whether a registration with this body succeeds under the
// profile, as the broker decides it.
func accepts(p *policy.Profile, body []byte) bool {
	req, err := dcr.Decode(body)
	if err != nil {
		return false
	}
	m, err := dcr.Validate(req.Metadata)
	if err != nil {
		return false
	}
	_, err = p.Apply(m)
	return err == nil
}

// unknownProvider returns an identity provider of the configuration that the
// local Cognito does not have, or "". Cognito refuses every app client then.
func unknownProvider(c *configuration.Configuration) string {
	all := c.AllIdentityProviders()
	i := slices.IndexFunc(all, func(name string) bool { return name != cognito })
	if i < 0 {
		return ""
	}
	return all[i]
}

// cognito is the name of the user pool's own users among identity providers.
const cognito = "COGNITO"

// obstacle returns why an MCP client on this computer cannot connect to the
// sample MCP server, or "" if it can.
func obstacle(s *devstack.Stack) string {
	p, ok := s.Configuration.Policy.Open()
	if !ok {
		return "open registration is off (open_registration)"
	}
	named := fmt.Sprintf("the profile %q of open registration", p.Name())
	if p.SoftwareStatements() == policy.RequireStatements {
		return named + " requires a software statement"
	}
	if body, _ := json.Marshal(request{RedirectURIs: []string{loopbackURI}, AuthMethod: dcr.AuthNone}); !accepts(p, body) {
		return named + " allows no redirect URI on this computer (loopback)"
	}
	if !slices.Contains(p.Scopes(), devstack.ReadScope) {
		return fmt.Sprintf("%s does not have the scope %s", named, devstack.ReadScope)
	}
	if name := unknownProvider(s.Configuration); name != "" {
		return fmt.Sprintf("the local Cognito does not have the identity provider %q (identity_providers)", name)
	}
	if s.Authorization != broker.ModeBrokered {
		return ""
	}
	if p.Approval() == policy.ApprovalManual {
		return named + " requires the approval of an operator, and dcrctl cannot reach this broker"
	}
	if !p.Users().Allow([]string{devstack.UserGroup}, []string{cognito}) {
		return fmt.Sprintf("%s does not allow the user %s", named, devstack.Username)
	}
	return ""
}

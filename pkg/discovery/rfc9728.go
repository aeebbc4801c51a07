package discovery

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ProtectedResourcePath is where RFC 9728 section 3 looks for the metadata of a
// resource; the path of the resource follows it.
const ProtectedResourcePath = "/.well-known/oauth-protected-resource"

// ProtectedResource is an MCP server that takes the user pool's tokens.
type ProtectedResource struct {
	// Resource is the URL of the server exactly as clients are given it: they
	// compare the two byte for byte (RFC 9728 section 3.3).
	Resource      string
	Scopes        []string // those a client needs at this server; empty: not said
	Name          string   // for people; empty: none
	Documentation string   // URL of a page for developers; empty: none
}

// resourceMetadata is an RFC 9728 document.
type resourceMetadata struct {
	// REQUIRED, RFC 9728 section 2.
	Resource string `json:"resource"`
	// OPTIONAL, section 2; REQUIRED by MCP authorization.
	AuthorizationServers []string `json:"authorization_servers"`
	// RECOMMENDED, section 2.
	ScopesSupported []string `json:"scopes_supported,omitempty"`
	// OPTIONAL, section 2. Never body or query: MCP allows the header alone.
	BearerMethodsSupported []string `json:"bearer_methods_supported"`
	// RECOMMENDED, section 2.
	ResourceName string `json:"resource_name,omitempty"`
	// OPTIONAL, section 2.
	ResourceDocumentation string `json:"resource_documentation,omitempty"`
}

// ProtectedResourceMetadata returns the metadata of p (RFC 9728 section 2) with
// the broker's issuer as its one authorization server. It fails for a value that
// must not be published; the error names the member.
func ProtectedResourceMetadata(issuer string, p ProtectedResource) ([]byte, error) {
	if err := checkOrigin(issuer); err != nil {
		return nil, fmt.Errorf("discovery: protected resource metadata: authorization_servers: %w", err)
	}
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("discovery: protected resource metadata: %w", err)
	}
	return encode(resourceMetadata{
		Resource:               p.Resource,
		AuthorizationServers:   []string{issuer},
		ScopesSupported:        published(p.Scopes),
		BearerMethodsSupported: []string{"header"},
		ResourceName:           p.Name,
		ResourceDocumentation:  p.Documentation,
	})
}

// Path returns the path of the resource, without a trailing slash and with no
// percent-encoding left, so "" for a server at the root of its host. It fails for
// a Resource that ProtectedResourceMetadata refuses.
func (p ProtectedResource) Path() (string, error) {
	u, err := checkURL(p.Resource)
	if err != nil {
		return "", fmt.Errorf("discovery: protected resource metadata: resource: %w", err)
	}
	return strings.TrimSuffix(u.Path, "/"), nil
}

func (p ProtectedResource) check() error {
	if _, err := checkURL(p.Resource); err != nil {
		return fmt.Errorf("resource: %w", err)
	}
	if err := checkWords(p.Scopes); err != nil {
		return fmt.Errorf("scopes_supported: %w", err)
	}
	if !utf8.ValidString(p.Name) || strings.ContainsFunc(p.Name, unicode.IsControl) {
		return fmt.Errorf("resource_name: must be UTF-8 without control characters")
	}
	if p.Documentation == "" {
		return nil
	}
	if _, err := checkURL(p.Documentation); err != nil {
		return fmt.Errorf("resource_documentation: %w", err)
	}
	return nil
}

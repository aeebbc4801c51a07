package discovery

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ProtectedResourcePath is where a client looks for the metadata of a resource,
// followed by the path of the resource (RFC 9728 §3).
const ProtectedResourcePath = "/.well-known/oauth-protected-resource"

// ProtectedResource is an MCP server that accepts the user pool's tokens.
// An empty OPTIONAL field leaves its member out of the metadata.
type ProtectedResource struct {
	// Resource is the URL of the server exactly as it is configured in clients.
	// A client compares the two byte for byte (RFC 9728 §3.3).
	// REQUIRED.
	Resource      string
	Scopes        []string // the scopes that a client needs at this server; OPTIONAL
	Name          string   // for people; OPTIONAL
	Documentation string   // URL of a page for developers; OPTIONAL
}

// resourceMetadata is the metadata of a protected resource (RFC 9728 §2).
type resourceMetadata struct {
	// Resource is the identifier of the resource: its URL. REQUIRED.
	Resource string `json:"resource"`
	// AuthorizationServers are the issuers whose tokens the resource accepts.
	// OPTIONAL in the RFC, REQUIRED by MCP authorization.
	AuthorizationServers []string `json:"authorization_servers"`
	// ScopesSupported are the scopes with which a client requests access to the
	// resource. RECOMMENDED.
	ScopesSupported []string `json:"scopes_supported,omitempty"`
	// BearerMethodsSupported are the places of a request where the resource
	// accepts a token. OPTIONAL. MCP allows only the header, so body and query
	// never appear.
	BearerMethodsSupported []string `json:"bearer_methods_supported"`
	// ResourceName is the name of the resource for people. RECOMMENDED.
	ResourceName string `json:"resource_name,omitempty"`
	// ResourceDocumentation is a page for developers. OPTIONAL.
	ResourceDocumentation string `json:"resource_documentation,omitempty"`
}

// ProtectedResourceMetadata returns the metadata of p (RFC 9728 §2) with the
// broker's issuer as its only authorization server. If a value must not be
// published, it returns an error that names the member.
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
		ScopesSupported:        withoutOfflineAccess(p.Scopes),
		BearerMethodsSupported: []string{"header"},
		ResourceName:           p.Name,
		ResourceDocumentation:  p.Documentation,
	})
}

// Path returns the path of the resource without a trailing slash and with its
// percent-encoding decoded: "" for a server at the root of its host. It fails
// for a Resource that ProtectedResourceMetadata refuses.
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
	if err := checkTokens(p.Scopes); err != nil {
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

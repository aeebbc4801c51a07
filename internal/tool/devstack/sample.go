package devstack

import (
	"log/slog"
	"net/http"

	"github.com/dcr-broker/dcr-broker/examples/mcpserver"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/pkg/mcpauth"
)

// The scopes of the sample MCP server: every request needs the first, and one
// of the tools needs the second as well.
const (
	readScope  = "mcp/read"
	writeScope = "mcp/write"
)

// sampleServer returns the MCP server that the broker's configuration names.
func (s *Stack) sampleServer(c *environment.Config, log *slog.Logger) (http.Handler, error) {
	r := c.ProtectedResources[0]
	return mcpserver.New(mcpserver.Config{
		Config: mcpauth.Config{
			Resource:            r.URL,
			Name:                r.Name,
			AuthorizationServer: c.Issuer,
			TokenIssuer:         c.CognitoIssuer,
			RequireAudience:     c.ResourceBinding,
			Scopes:              []string{readScope},
			Log:                 log,
		},
		WriteScope: writeScope,
	})
}

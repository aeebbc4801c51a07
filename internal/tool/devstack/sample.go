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

// sampleName is the name of the sample MCP server for users.
const sampleName = "Sample MCP server"

// sampleServer returns the sample MCP server. bound is whether Cognito binds
// tokens to it.
func (s *Stack) sampleServer(c *environment.Config, bound bool, log *slog.Logger) (http.Handler, error) {
	return mcpserver.New(mcpserver.Config{
		Config: mcpauth.Config{
			Resource:            s.MCP,
			Name:                sampleName,
			AuthorizationServer: c.Issuer,
			TokenIssuer:         c.CognitoIssuer,
			RequireAudience:     bound,
			Scopes:              []string{readScope},
			Log:                 log,
		},
		WriteScope: writeScope,
	})
}

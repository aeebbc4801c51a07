package devstack

import (
	"log/slog"
	"net/http"

	"github.com/dcr-broker/dcr-broker/examples/mcpserver"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/mcpauth"
)

// The scopes of the sample MCP server: every request needs ReadScope, and one of
// the tools needs WriteScope as well.
const (
	ReadScope  = "mcp/read"
	WriteScope = "mcp/write"
)

// sampleName is the name of the sample MCP server for users.
const sampleName = "Sample MCP server"

// sampleServer returns the sample MCP server. It refuses tokens that are not
// bound to it if Cognito binds tokens under the configuration that conf returns.
func (s *Stack) sampleServer(c *environment.Environment, conf func() *configuration.Configuration, log *slog.Logger) (http.Handler, error) {
	cfg := mcpserver.Config{
		Config: mcpauth.Config{
			Resource:            s.MCP,
			Name:                sampleName,
			AuthorizationServer: c.Issuer,
			TokenIssuer:         c.CognitoIssuer,
			Scopes:              []string{ReadScope},
			Log:                 log,
		},
		WriteScope: WriteScope,
	}
	unbound, err := mcpserver.New(cfg)
	if err != nil {
		return nil, err
	}
	cfg.RequireAudience = true
	bound, err := mcpserver.New(cfg)
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conf().ResourceBinding {
			bound.ServeHTTP(w, r)
			return
		}
		unbound.ServeHTTP(w, r)
	}), nil
}

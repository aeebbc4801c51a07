package devstack

import (
	"log/slog"
	"net/http"

	"github.com/dcr-broker/dcr-broker/internal/config"
	"github.com/dcr-broker/dcr-broker/internal/samplemcp"
)

// sampleServer is the MCP server that the broker's configuration names.
func (s *Stack) sampleServer(c *config.Config, log *slog.Logger) (http.Handler, error) {
	r := c.ProtectedResources[0]
	return samplemcp.New(samplemcp.Config{
		Resource:            r.Resource,
		AuthorizationServer: c.Issuer,
		TokenIssuer:         c.CognitoIssuer,
		JWKSURL:             c.CognitoIssuer + "/.well-known/jwks.json",
		Scopes:              r.Scopes,
		Log:                 log,
	})
}

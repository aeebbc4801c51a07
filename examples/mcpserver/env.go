package mcpserver

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/mcpauth"
)

// FromEnv reads a configuration from the environment:
//
//	RESOURCE              URL of the MCP endpoint as clients are configured with it; required
//	AUTHORIZATION_SERVER  the broker's issuer; required
//	TOKEN_ISSUER          the user pool's issuer; required
//	KEY_SET               URL of the pool's keys; default: Cognito's
//	REQUIRE_AUDIENCE      true if the configuration has resource_binding; default: false
//	APP_CLIENTS           ids of Cognito app clients, separated by spaces; default: all
//	READ_SCOPE            default: mcp/read
//	WRITE_SCOPE           default: mcp/write
//	NAME                  default: Example MCP server
//
// It returns an error for a malformed value; New reports missing and wrong
// values.
func FromEnv(getenv func(string) string) (Config, error) {
	bound, err := strconv.ParseBool(cmp.Or(getenv("REQUIRE_AUDIENCE"), "false"))
	if err != nil {
		return Config{}, fmt.Errorf("mcpserver: REQUIRE_AUDIENCE: want true or false")
	}
	return Config{
		Config: mcpauth.Config{
			Resource:            getenv("RESOURCE"),
			Name:                cmp.Or(getenv("NAME"), "Example MCP server"),
			AuthorizationServer: getenv("AUTHORIZATION_SERVER"),
			TokenIssuer:         getenv("TOKEN_ISSUER"),
			KeySet:              getenv("KEY_SET"),
			RequireAudience:     bound,
			AppClients:          strings.Fields(getenv("APP_CLIENTS")),
			Scopes:              []string{cmp.Or(getenv("READ_SCOPE"), "mcp/read")},
		},
		WriteScope: cmp.Or(getenv("WRITE_SCOPE"), "mcp/write"),
	}, nil
}

// Package mcpserver is an example: an MCP server that takes the access tokens of
// a Cognito user pool behind the broker. It is made with the official Go SDK and
// with packages mcpauth and gosdk, which do all that has to do with tokens. It
// runs on Lambda behind an API Gateway HTTP API (directory lambda, template.yaml),
// on a port (directory serve), and in dcr-dev.
//
// Its tools are echo and whoami, which need the scope that all requests need, and
// write_log, which needs another: whoever calls it with too small a token is
// asked for more, and need not have been asked at the beginning.
//
// Left out: sessions and server-initiated messages. The server is stateless and
// answers with JSON, since a Lambda function behind an HTTP API cannot stream.
package mcpserver

import (
	"fmt"
	"log/slog"
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/dcr-broker/dcr-broker/pkg/mcpauth"
	"github.com/dcr-broker/dcr-broker/pkg/mcpauth/gosdk"
)

// Config is the guard's, except for ToolScopes, which follow from the tools.
type Config struct {
	mcpauth.Config
	// WriteScope is what a tool needs that leaves something behind.
	WriteScope string
}

// New returns a handler for the MCP endpoint, at the path of cfg.Resource, and
// for the protected resource metadata. The handler is safe for concurrent use.
// The error is about cfg: New connects to nothing.
func New(cfg Config) (http.Handler, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.ToolScopes = map[string][]string{writeLogName: {cfg.WriteScope}}
	guard, err := mcpauth.New(cfg.Config)
	if err != nil {
		return nil, fmt.Errorf("mcpserver: %w", err)
	}
	server := mcp.NewServer(&mcp.Implementation{Name: "example-mcp", Title: "Example MCP server", Version: "1.0.0"}, nil)
	addTools(server, cfg.Log)
	handler := mcp.NewStreamableHTTPHandler(
		func(*http.Request) *mcp.Server { return server },
		&mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true},
	)
	return guard.Handler(gosdk.Handler(handler)), nil
}

// Package mcpserver is an example: an MCP server that accepts the access tokens
// of a Cognito user pool behind the broker. It uses the official Go SDK, and
// packages mcpauth and gosdk for everything about tokens. It runs on Lambda
// behind an API Gateway HTTP API (directory lambda, template.yaml), on a port
// (directory serve), and in dcr-dev.
//
// Its tools are echo and whoami, which need only the scope of all requests, and
// write_log, which needs another one: a client that calls it without this scope
// gets a challenge and can ask the user for the scope then.
//
// It leaves out sessions and server-initiated messages. The server is stateless
// and responds with JSON, because a Lambda function behind an HTTP API cannot
// stream.
package mcpserver

import (
	"fmt"
	"log/slog"
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/dcr-broker/dcr-broker/pkg/mcpauth"
	"github.com/dcr-broker/dcr-broker/pkg/mcpauth/gosdk"
)

// Config is the guard's configuration. New sets its ToolScopes.
type Config struct {
	mcpauth.Config
	// WriteScope is the scope of tools that write.
	WriteScope string
}

// New returns a handler for the MCP endpoint, at the path of cfg.Resource, and
// for the protected resource metadata. The handler is safe for concurrent use.
// It returns an error about cfg, and opens no connection.
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

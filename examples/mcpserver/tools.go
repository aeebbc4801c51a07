package mcpserver

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/dcr-broker/dcr-broker/pkg/mcpauth/gosdk"
)

const writeLogName = "write_log"

func addTools(server *mcp.Server, log *slog.Logger) {
	readOnly := &mcp.ToolAnnotations{ReadOnlyHint: true, IdempotentHint: true}
	mcp.AddTool(server, &mcp.Tool{
		Name: "echo", Description: "Returns the message it is sent.", Annotations: readOnly,
	}, echo)
	mcp.AddTool(server, &mcp.Tool{
		Name: "whoami", Description: "Says who called, from the claims of the access token.", Annotations: readOnly,
	}, whoami)
	no := false
	mcp.AddTool(server, &mcp.Tool{
		Name: writeLogName, Description: "Writes a line to the server's log, with the caller's name. Needs a scope of its own.",
		Annotations: &mcp.ToolAnnotations{DestructiveHint: &no},
	}, logWriter{log}.write)
}

type messageInput struct {
	Message string `json:"message" jsonschema:"the text"`
}

func echo(_ context.Context, _ *mcp.CallToolRequest, in messageInput) (*mcp.CallToolResult, any, error) {
	return text(in.Message), nil, nil
}

func text(s string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: s}}}
}

// identity is the structured content of whoami's result. Members are named like
// the claims.
type identity struct {
	Subject  string   `json:"sub"`
	Username string   `json:"username,omitempty" jsonschema:"absent if a client called for itself"`
	ClientID string   `json:"client_id" jsonschema:"of the Cognito app client"`
	Scope    string   `json:"scope"`
	Groups   []string `json:"groups,omitempty" jsonschema:"the claim cognito:groups"`
	Issuer   string   `json:"iss"`
	Audience []string `json:"aud,omitempty" jsonschema:"absent unless the token is bound to a resource"`
	TokenUse string   `json:"token_use"`
	Expires  int64    `json:"exp" jsonschema:"seconds since 1970"`
}

// errNoToken does not occur: the guard refuses requests without a token.
var errNoToken = errors.New("the call came without a token")

func whoami(_ context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, identity, error) {
	c, ok := gosdk.Claims(req.Extra)
	if !ok {
		return nil, identity{}, errNoToken
	}
	// token_use has no field in Claims.
	var more struct {
		TokenUse string `json:"token_use"`
	}
	if err := c.Decode(&more); err != nil {
		return nil, identity{}, err
	}
	return nil, identity{
		Subject: c.Subject, Username: c.Username, ClientID: c.ClientID, Scope: strings.Join(c.Scopes, " "), Groups: c.Groups,
		Issuer: c.Issuer, Audience: c.Audience, TokenUse: more.TokenUse, Expires: c.ExpiresAt.Unix(),
	}, nil
}

// logWriter is a tool with an effect, a line in the log, that needs no storage.
type logWriter struct{ log *slog.Logger }

const maxLine = 1000

func (l logWriter) write(ctx context.Context, req *mcp.CallToolRequest, in messageInput) (*mcp.CallToolResult, any, error) {
	c, ok := gosdk.Claims(req.Extra)
	if !ok {
		return nil, nil, errNoToken
	}
	if len(in.Message) > maxLine {
		return nil, nil, errors.New("the message is longer than 1000 bytes")
	}
	// The handlers of slog quote line ends, so a message cannot forge another
	// line.
	l.log.InfoContext(ctx, "a user says", "message", in.Message, "username", c.Username, "token", c)
	return text("written"), nil, nil
}

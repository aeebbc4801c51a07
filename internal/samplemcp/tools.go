package samplemcp

import (
	"context"
	"errors"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

func newServer() *mcp.Server {
	server := mcp.NewServer(&mcp.Implementation{Name: "sample-mcp", Title: "Sample MCP server", Version: "1.0.0"}, nil)
	readOnly := &mcp.ToolAnnotations{ReadOnlyHint: true, IdempotentHint: true}
	mcp.AddTool(server, &mcp.Tool{
		Name: "echo", Description: "Returns the message it is sent.", Annotations: readOnly,
	}, echo)
	mcp.AddTool(server, &mcp.Tool{
		Name: "whoami", Description: "Says who called, from the claims of the access token.", Annotations: readOnly,
	}, whoami)
	return server
}

type echoInput struct {
	Message string `json:"message" jsonschema:"what to return"`
}

func echo(_ context.Context, _ *mcp.CallToolRequest, in echoInput) (*mcp.CallToolResult, any, error) {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: in.Message}}}, nil, nil
}

// identity is the structured content of whoami's result, named like the claims.
type identity struct {
	Subject  string   `json:"sub"`
	Username string   `json:"username,omitempty" jsonschema:"absent if a client called for itself"`
	ClientID string   `json:"client_id"`
	Scope    string   `json:"scope"`
	Groups   []string `json:"groups,omitempty" jsonschema:"the claim cognito:groups"`
	Issuer   string   `json:"iss"`
	Audience []string `json:"aud,omitempty" jsonschema:"absent unless the token is bound to a resource"`
	TokenUse string   `json:"token_use"`
	Expires  int64    `json:"exp" jsonschema:"seconds since 1970"`
}

const identityKey = "identity"

func (c claims) identity(t *oidc.IDToken) identity {
	return identity{
		Subject: c.Subject, Username: c.Username, ClientID: c.ClientID, Scope: c.Scope, Groups: c.Groups,
		Issuer: t.Issuer, Audience: t.Audience, TokenUse: c.TokenUse, Expires: t.Expiry.Unix(),
	}
}

func whoami(_ context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, identity, error) {
	if req.Extra != nil && req.Extra.TokenInfo != nil {
		if id, ok := req.Extra.TokenInfo.Extra[identityKey].(identity); ok {
			return nil, id, nil
		}
	}
	return nil, identity{}, errors.New("the call came without a token") // guard lets none through
}

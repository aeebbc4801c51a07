// Package gosdk hands the claims that package mcpauth has verified to servers
// made with the official Go SDK for MCP.
//
//	handler := mcp.NewStreamableHTTPHandler(...)
//	http.Handle("/", guard.Handler(gosdk.Handler(handler)))
//
// The SDK's own middleware sends challenges without an error code, which clients
// need to step up, and says why it refuses in plain text.
package gosdk

import (
	"context"
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/dcr-broker/dcr-broker/pkg/mcpauth"
)

const claimsKey = "mcpauth"

// Handler gives the SDK's handler h what the guard around it has found: the
// claims, for Claims, and the user's id, which keeps a session to the user who
// began it. By itself it lets nothing through: without a guard it answers 401.
func Handler(h http.Handler) http.Handler {
	// The guard has checked that the token has not expired.
	return auth.RequireBearerToken(verified, &auth.RequireBearerTokenOptions{AllowMissingExpiration: true})(h)
}

// verified is the verifier of the SDK's middleware. It returns what the guard
// found.
func verified(ctx context.Context, _ string, _ *http.Request) (*auth.TokenInfo, error) {
	c, ok := mcpauth.FromContext(ctx)
	if !ok {
		return nil, auth.ErrInvalidToken
	}
	return &auth.TokenInfo{Scopes: c.Scopes, UserID: c.Subject, Extra: map[string]any{claimsKey: c}}, nil
}

// Claims returns the claims of the token that a request to a tool, prompt or
// resource came with; extra is the request's. ok is false if there was none.
func Claims(extra *mcp.RequestExtra) (c mcpauth.Claims, ok bool) {
	if extra == nil || extra.TokenInfo == nil {
		return mcpauth.Claims{}, false
	}
	c, ok = extra.TokenInfo.Extra[claimsKey].(mcpauth.Claims)
	return c, ok
}

// Package gosdk is an adapter: it gives the claims that package mcpauth has
// verified to servers made with the official Go SDK for MCP.
//
//	handler := mcp.NewStreamableHTTPHandler(...)
//	http.Handle("/", guard.Handler(gosdk.Handler(handler)))
//
// The SDK's own middleware is not used for challenges: it sends plain text in
// place of JSON and no error code, which clients need to request more scopes.
// The package leaves out verification and challenges; the guard of mcpauth does
// both.
// both.
package gosdk

import (
	"context"
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/dcr-broker/dcr-broker/pkg/mcpauth"
)

const claimsKey = "mcpauth"

// Handler gives the SDK's handler h the claims that the guard around it has
// verified, for Claims, and the user's id, with which the SDK binds a session
// to the user who began it. Without a guard it responds to every request with
// 401.
func Handler(h http.Handler) http.Handler {
	// The guard has checked that the token has not expired.
	return auth.RequireBearerToken(verified, &auth.RequireBearerTokenOptions{AllowMissingExpiration: true})(h)
}

// verified is the verifier of the SDK's middleware. It returns the guard's
// claims.
func verified(ctx context.Context, _ string, _ *http.Request) (*auth.TokenInfo, error) {
	c, ok := mcpauth.FromContext(ctx)
	if !ok {
		return nil, auth.ErrInvalidToken
	}
	return &auth.TokenInfo{Scopes: c.Scopes, UserID: c.Subject, Extra: map[string]any{claimsKey: c}}, nil
}

// Claims returns the claims of the token of a request to a tool, prompt or
// resource; extra is the request's. ok is false if the request had no token.
func Claims(extra *mcp.RequestExtra) (c mcpauth.Claims, ok bool) {
	if extra == nil || extra.TokenInfo == nil {
		return mcpauth.Claims{}, false
	}
	c, ok = extra.TokenInfo.Extra[claimsKey].(mcpauth.Claims)
	return c, ok
}

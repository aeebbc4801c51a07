package mcpauth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/jwt"
)

// Claims are what a verified access token says. They print as "[claims]" and log
// as subject and client.
type Claims struct {
	// Issuer is the user pool's.
	Issuer string
	// Subject is the user's id in the pool, or the app client's id if a client
	// called for itself (client_credentials).
	Subject string
	// Username is empty if no user is behind the token.
	Username string
	// ClientID is the Cognito app client's. In brokered mode that is the
	// broker's: which MCP client asked cannot be known from it.
	ClientID string
	Scopes   []string
	// Groups are the user's in the pool (cognito:groups).
	Groups []string
	// Audience is empty unless a resource was bound to the token (RFC 8707).
	Audience  []string
	IssuedAt  time.Time
	ExpiresAt time.Time

	payload []byte
}

// String implements fmt.Stringer.
func (Claims) String() string { return "[claims]" }

// GoString implements fmt.GoStringer.
func (Claims) GoString() string { return "[claims]" }

// LogValue implements slog.LogValuer.
func (c Claims) LogValue() slog.Value {
	return slog.GroupValue(slog.String("sub", c.Subject), slog.String("client_id", c.ClientID))
}

// Decode reads all claims into v as json.Unmarshal does: for those that a
// pre-token-generation trigger adds.
func (c Claims) Decode(v any) error {
	if err := json.Unmarshal(c.payload, v); err != nil {
		return fmt.Errorf("mcpauth: claims: %w", err)
	}
	return nil
}

type claimsKey struct{}

// FromContext returns the claims of the token that the request came with. ok is
// false if it did not pass a Guard.
func FromContext(ctx context.Context) (c Claims, ok bool) {
	c, ok = ctx.Value(claimsKey{}).(Claims)
	return c, ok
}

// claimsOf completes what the verifier has read of the token, which it has found
// to be genuine.
func claimsOf(token, issuer string, v jwt.Claims) (Claims, error) {
	c := Claims{
		Issuer: issuer, Subject: v.Sub, Username: v.Username, ClientID: v.ClientID, Scopes: v.Scopes, Audience: v.Audience,
		IssuedAt: v.IssuedAt, ExpiresAt: v.ExpiresAt,
	}
	var err error
	if c.payload, err = base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1]); err != nil {
		return Claims{}, err
	}
	var more struct {
		Groups []string `json:"cognito:groups"`
	}
	if err := json.Unmarshal(c.payload, &more); err != nil {
		return Claims{}, err
	}
	c.Groups = more.Groups
	return c, nil
}

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

// Claims are the claims of a verified access token. They print as "[claims]"
// and log as subject and client.
type Claims struct {
	// Issuer is the user pool's issuer.
	Issuer string
	// Subject is the user's id in the pool, or the app client's id for
	// client_credentials.
	Subject string
	// Username is empty for client_credentials.
	Username string
	// ClientID is the id of the Cognito app client. In brokered mode that is
	// the broker's app client, which does not identify the MCP client.
	ClientID string
	// Scopes are the granted scopes.
	Scopes []string
	// Groups are the user's groups in the pool (cognito:groups).
	Groups []string
	// Audience is empty unless the token is bound to a resource (RFC 8707).
	Audience []string
	// IssuedAt is when Cognito issued the token, and ExpiresAt when it expires.
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

// Decode reads all claims into v as json.Unmarshal does. It is for claims that
// a pre-token-generation trigger adds.
func (c Claims) Decode(v any) error {
	if err := json.Unmarshal(c.payload, v); err != nil {
		return fmt.Errorf("mcpauth: claims: %w", err)
	}
	return nil
}

type claimsKey struct{}

// FromContext returns the claims of the request's token. ok is false if the
// request did not pass a Guard.
func FromContext(ctx context.Context) (c Claims, ok bool) {
	c, ok = ctx.Value(claimsKey{}).(Claims)
	return c, ok
}

// claimsOf adds the other claims of a verified token to those of the verifier.
func claimsOf(token, issuer string, v jwt.Claims) (Claims, error) {
	c := Claims{
		Issuer: issuer, Subject: v.Sub, Username: v.Username, ClientID: v.ClientID, Scopes: v.Scopes, Groups: v.Groups, Audience: v.Audience,
		IssuedAt: v.IssuedAt, ExpiresAt: v.ExpiresAt,
	}
	var err error
	if c.payload, err = base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1]); err != nil {
		return Claims{}, err
	}
	return c, nil
}

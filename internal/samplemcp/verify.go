package samplemcp

import (
	"context"
	"errors"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
)

// claims are those of a Cognito access token. It has no aud unless a resource was
// bound to it (RFC 8707).
type claims struct {
	Subject  string   `json:"sub"`
	Username string   `json:"username"`
	ClientID string   `json:"client_id"`
	TokenUse string   `json:"token_use"`
	Scope    string   `json:"scope"`
	Groups   []string `json:"cognito:groups"`
}

// badToken says what is wrong with a token.
type badToken struct {
	description string // for the client: ASCII without quotes and backslashes
	cause       error  // for the log; may be nil
}

func (e *badToken) Error() string {
	if e.cause == nil {
		return e.description
	}
	return e.description + ": " + e.cause.Error()
}

func (e *badToken) Unwrap() error { return e.cause }

// verify checks that token is an access token of the user pool for this server.
// An error that is not a *badToken means that it could not be checked.
func (s *resource) verify(ctx context.Context, token string) (*auth.TokenInfo, error) {
	var unreachable error
	t, err := s.verifier.Verify(context.WithValue(ctx, unreachableKey{}, &unreachable), token)
	if unreachable != nil {
		return nil, unreachable
	}
	if _, ok := errors.AsType[*oidc.TokenExpiredError](err); ok {
		return nil, &badToken{"the access token has expired", err}
	}
	if err != nil {
		return nil, &badToken{"this is not a token of the user pool", err}
	}
	var c claims
	if err := t.Claims(&c); err != nil {
		return nil, &badToken{"the claims of the token are malformed", err}
	}
	switch {
	case c.TokenUse != "access":
		// ID tokens are signed with the same keys.
		return nil, &badToken{"this is not an access token", nil}
	case c.ClientID == "" || t.Subject == "":
		return nil, &badToken{"the token lacks client_id or sub", nil}
	case t.Audience != nil && !oauthex.MatchesResource(t.Audience, s.audience):
		return nil, &badToken{"the token is for another resource", nil}
	}
	return &auth.TokenInfo{
		Scopes: strings.Fields(c.Scope),
		UserID: c.Subject,
		Extra:  map[string]any{identityKey: c.identity(t)},
	}, nil
}

// keySet tells verify when keys could not be fetched, which go-oidc's verifier
// reports in the same way as a bad signature.
type keySet struct{ remote *oidc.RemoteKeySet }

type unreachableKey struct{}

func (k keySet) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	payload, err := k.remote.VerifySignature(ctx, jwt)
	// Only the error for a failed fetch has a cause.
	if report, ok := ctx.Value(unreachableKey{}).(*error); ok && err != nil && errors.Unwrap(err) != nil {
		*report = err
	}
	return payload, err
}

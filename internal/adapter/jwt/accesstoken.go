package jwt

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/dcr-broker/dcr-broker/internal/adapter"
)

// ErrInvalid means that something is not an access token of the user pool, or
// not any more. Errors that are not this one mean that it could not be checked.
var ErrInvalid = errors.New("not a valid access token")

// AccessTokensConfig says whose tokens are verified. Issuer and KeySet are REQUIRED.
type AccessTokensConfig struct {
	// Issuer is the iss of the user pool's tokens, compared exactly.
	Issuer string
	// KeySet is the URL of the pool's key set, its jwks_uri.
	KeySet string
	// HTTP fetches the keys; nil is a client with http.DefaultTransport.
	// Redirects are not followed, whatever it says.
	HTTP *http.Client
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Claims are what an access token says.
type Claims struct {
	// ClientID is the app client's, Cognito's name for it.
	ClientID string
	Sub      string
	// Username is empty if no user is behind the token.
	Username string
	// OriginJTI is what all tokens of one sign-in share, empty with
	// client_credentials.
	OriginJTI string
	Scopes    []string
	// Audience is empty unless a resource was bound to the token (RFC 8707).
	Audience  []string
	IssuedAt  time.Time
	ExpiresAt time.Time
}

// AccessTokens verifies access tokens. It is safe for concurrent use.
type AccessTokens struct {
	issuer string
	keys   *KeySet
	now    func() time.Time
}

// NewAccessTokens returns an AccessTokens. It fetches keys when they are first needed.
func NewAccessTokens(c AccessTokensConfig) (*AccessTokens, error) {
	if c.Issuer == "" || c.KeySet == "" {
		return nil, errors.New("jwt: Issuer and KeySet are required")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	client := adapter.WithoutRedirects(c.HTTP)
	fetch := func(ctx context.Context) (Keys, error) {
		keys, err := FetchKeys(ctx, client, c.KeySet, algorithms)
		if err != nil {
			return nil, fmt.Errorf("fetch the keys of the user pool: %w", err)
		}
		return keys, nil
	}
	return &AccessTokens{issuer: c.Issuer, keys: NewKeySet(fetch, 0, c.Now), now: c.Now}, nil
}

// algorithms are what Cognito signs with.
var algorithms = []jose.SignatureAlgorithm{jose.RS256}

// Verify returns what the token says if the user pool signed it, it is an access
// token, and it has not expired; otherwise the error is ErrInvalid, wrapped.
func (v *AccessTokens) Verify(ctx context.Context, token string) (Claims, error) {
	parsed, err := jwt.ParseSigned(token, algorithms)
	if err != nil {
		return Claims{}, fmt.Errorf("%w: %v", ErrInvalid, err)
	}
	key, err := v.keys.Key(ctx, parsed.Headers[0].KeyID)
	if errors.Is(err, ErrUnknownKey) {
		return Claims{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err != nil {
		return Claims{}, err
	}
	var std jwt.Claims
	var own struct {
		TokenUse  string `json:"token_use"`
		ClientID  string `json:"client_id"`
		Username  string `json:"username"`
		OriginJTI string `json:"origin_jti"`
		Scope     string `json:"scope"`
	}
	if err := parsed.Claims(key, &std, &own); err != nil {
		return Claims{}, fmt.Errorf("%w: %v", ErrInvalid, err)
	}
	switch {
	case std.Issuer != v.issuer:
		return Claims{}, fmt.Errorf("%w: another issuer", ErrInvalid)
	case own.TokenUse != "access":
		// ID tokens are signed with the same keys.
		return Claims{}, fmt.Errorf("%w: token_use is not access", ErrInvalid)
	case own.ClientID == "" || std.Subject == "" || std.Expiry == nil:
		return Claims{}, fmt.Errorf("%w: without client_id, sub or exp", ErrInvalid)
	case !v.now().Before(std.Expiry.Time()):
		return Claims{}, fmt.Errorf("%w: expired", ErrInvalid)
	}
	return Claims{
		ClientID:  own.ClientID,
		Sub:       std.Subject,
		Username:  own.Username,
		OriginJTI: own.OriginJTI,
		Scopes:    strings.Fields(own.Scope),
		Audience:  std.Audience,
		IssuedAt:  std.IssuedAt.Time().UTC(),
		ExpiresAt: std.Expiry.Time().UTC(),
	}, nil
}

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

// ErrInvalid means that a text is not an access token of the user pool, or that
// the token has expired. Any other error means that the token could not be
// checked.
var ErrInvalid = errors.New("not a valid access token")

// AccessTokensConfig configures an AccessTokens.
type AccessTokensConfig struct {
	// Issuer is REQUIRED: the iss of the user pool's tokens. It is compared
	// exactly.
	Issuer string
	// KeySet is REQUIRED: the URL of the pool's key set, its jwks_uri.
	KeySet string
	// Now is REQUIRED: the clock.
	Now func() time.Time
	// HTTP fetches the keys; nil is a client with http.DefaultTransport. Its
	// CheckRedirect is ignored: redirects are not followed.
	HTTP *http.Client
}

// Claims are the claims of a valid access token.
type Claims struct {
	// ClientID is the claim client_id: the id of the app client at Cognito.
	ClientID string
	// Sub is the claim sub: the user, or with client_credentials the app
	// client.
	Sub string
	// Username is the claim username, empty with client_credentials.
	Username string
	// OriginJTI is the claim origin_jti, which all tokens of one sign-in share.
	// It is empty with client_credentials.
	OriginJTI string
	// Scopes are the scopes of the token.
	Scopes []string
	// Groups is the claim cognito:groups: the user's groups when the token was
	// issued.
	Groups []string
	// ID is the claim jti, which names the token.
	ID string
	// Audience is the claim aud. It is empty unless a resource was bound to the
	// token (RFC 8707).
	Audience []string
	// IssuedAt is the claim iat.
	IssuedAt time.Time
	// ExpiresAt is the claim exp.
	ExpiresAt time.Time
}

// AccessTokens verifies the access tokens of a user pool. It is safe for
// concurrent use.
type AccessTokens struct {
	issuer string
	keys   *KeySet
	now    func() time.Time
}

// NewAccessTokens returns an AccessTokens, or an error if a required field of c
// is empty. It fetches no keys: the first Verify does.
func NewAccessTokens(c AccessTokensConfig) (*AccessTokens, error) {
	if c.Issuer == "" || c.KeySet == "" || c.Now == nil {
		return nil, errors.New("jwt: Issuer, KeySet and Now are required")
	}
	client := adapter.WithoutRedirects(c.HTTP)
	fetch := func(ctx context.Context) (Keys, error) {
		keys, err := FetchKeys(ctx, client, c.KeySet, algorithms)
		if err != nil {
			return nil, fmt.Errorf("fetch the keys of the user pool: %w", err)
		}
		return keys, nil
	}
	return &AccessTokens{issuer: c.Issuer, keys: NewKeySet(fetch, c.Now), now: c.Now}, nil
}

// algorithms are the algorithms with which Cognito signs. Only these are
// accepted, whatever the header of a token names (RFC 8725 §3.1).
var algorithms = []jose.SignatureAlgorithm{jose.RS256}

// Verify returns the claims of the token if the user pool signed it, it is an
// access token, and it has not expired. Otherwise it returns an error that
// wraps ErrInvalid. Clients may see its text, so it has none of a library. Any
// other error means that the keys could not be fetched.
func (v *AccessTokens) Verify(ctx context.Context, token string) (Claims, error) {
	parsed, err := jwt.ParseSigned(token, algorithms)
	if err != nil {
		return Claims{}, fmt.Errorf("%w: not a JWT that is signed with RS256", ErrInvalid)
	}
	key, err := v.keys.Key(ctx, parsed.Headers[0].KeyID)
	if errors.Is(err, ErrUnknownKey) {
		return Claims{}, fmt.Errorf("%w: signed with a key that the user pool does not have", ErrInvalid)
	}
	if err != nil {
		return Claims{}, err
	}
	var std jwt.Claims
	var own struct {
		TokenUse  string   `json:"token_use"`
		ClientID  string   `json:"client_id"`
		Username  string   `json:"username"`
		OriginJTI string   `json:"origin_jti"`
		Scope     string   `json:"scope"`
		Groups    []string `json:"cognito:groups"`
	}
	if err := parsed.Claims(key, &std, &own); err != nil {
		return Claims{}, fmt.Errorf("%w: its signature is wrong, or its claims cannot be read", ErrInvalid)
	}
	switch {
	case std.Issuer != v.issuer:
		return Claims{}, fmt.Errorf("%w: another issuer", ErrInvalid)
	case own.TokenUse != "access":
		// The pool signs ID tokens with the same keys, and one kind of JWT must
		// not pass for another (RFC 8725 §2.8).
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
		Groups:    own.Groups,
		ID:        std.ID,
		Audience:  std.Audience,
		IssuedAt:  std.IssuedAt.Time().UTC(),
		ExpiresAt: std.Expiry.Time().UTC(),
	}, nil
}

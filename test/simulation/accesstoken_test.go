package simulation

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/token"
)

// accessTokens reads the access tokens of fake.OAuth, which have no signature. A
// token that has expired counts as valid, so that only its grant decides whether
// it is active.
type accessTokens struct{}

func (accessTokens) Verify(_ context.Context, text string) (token.Claims, error) {
	var c struct {
		ClientID  string `json:"client_id"`
		Sub       string `json:"sub"`
		Username  string `json:"username"`
		OriginJTI string `json:"origin_jti"`
		Scope     string `json:"scope"`
		IssuedAt  int64  `json:"iat"`
		ExpiresAt int64  `json:"exp"`
	}
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return token.Claims{}, token.ErrInvalidAccessToken
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil {
		return token.Claims{}, token.ErrInvalidAccessToken
	}
	return token.Claims{
		ClientID: c.ClientID, Sub: c.Sub, Username: c.Username, OriginJTI: c.OriginJTI, Scopes: strings.Fields(c.Scope),
		IssuedAt: time.Unix(c.IssuedAt, 0), ExpiresAt: time.Unix(c.ExpiresAt, 0),
	}, nil
}

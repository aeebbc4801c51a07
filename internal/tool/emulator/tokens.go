package emulator

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
	"time"
)

// grant is one sign-in of a user to an app client, in Cognito's words the
// origin of tokens. It never changes.
type grant struct {
	origin   string // origin_jti
	event    string // event_id
	client   string
	user     *User
	scopes   []string
	audience string // of access tokens; empty if no resource was bound
	nonce    string
	authTime time.Time
	expires  time.Time // of all its refresh tokens; rotation does not extend it
	direct   bool      // made by InitiateAuth, not by the OAuth endpoints
}

// refreshToken belongs to a grant.
type refreshToken struct {
	grant   *grant
	retired time.Time // when it becomes invalid after a rotation; zero before
}

// tokens is the response of the token endpoint. It has no member scope.
type tokens struct {
	IDToken      string `json:"id_token,omitempty"`
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token,omitempty"`
	ExpiresIn    int64  `json:"expires_in"`
	TokenType    string `json:"token_type"`
}

// mint signs an access token for g and, if openid is among its scopes, an ID
// token. The nonce goes into the first ID token only.
func (c *Cognito) mint(g *grant, s Settings, nonce string) (tokens, error) {
	now := c.now()
	common := map[string]any{
		"sub":       g.user.Sub,
		"iss":       c.issuer,
		"event_id":  g.event,
		"auth_time": g.authTime.Unix(),
		"iat":       now.Unix(),
	}
	if len(g.user.Groups) > 0 {
		common["cognito:groups"] = g.user.Groups
	}
	if s.EnableTokenRevocation {
		common["origin_jti"] = g.origin
	}

	access := merge(common, map[string]any{
		"token_use": "access",
		"client_id": g.client,
		"username":  c.username(g.user),
		"scope":     strings.Join(g.scopes, " "),
		"jti":       newUUID(),
		"exp":       now.Add(s.accessLifetime()).Unix(),
	})
	if !g.direct {
		access["version"] = 2
	}
	if g.audience != "" {
		access["aud"] = g.audience
	}
	out := tokens{ExpiresIn: int64(s.accessLifetime() / time.Second), TokenType: "Bearer"}
	var err error
	if out.AccessToken, err = c.sign(access); err != nil {
		return tokens{}, err
	}
	if !g.direct && !slices.Contains(g.scopes, "openid") {
		return out, nil
	}

	id := merge(merge(common, attributeClaims(c.idAttributes(g, s))), map[string]any{
		"token_use":        "id",
		"aud":              g.client,
		"cognito:username": c.username(g.user),
		"jti":              newUUID(),
		"exp":              now.Add(s.idLifetime()).Unix(),
	})
	if nonce != "" {
		id["nonce"] = nonce
	}
	if !g.direct {
		id["at_hash"] = accessTokenHash(out.AccessToken)
	}
	out.IDToken, err = c.sign(id)
	return out, err
}

// accessTokenHash returns the claim at_hash of an ID token (OpenID Connect Core
// §3.1.3.6).
func accessTokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

// idAttributes returns the attributes in the ID token of g. Those of InitiateAuth
// have all that the app client may read.
func (c *Cognito) idAttributes(g *grant, s Settings) map[string]string {
	scopes := g.scopes
	if g.direct {
		scopes = []string{"openid"}
	}
	named := func(s string) bool { return s == "email" || s == "phone" || s == "profile" }
	if c.cfg.BareIDTokens && !g.direct && !slices.ContainsFunc(scopes, named) {
		return nil
	}
	return s.shown(g.user, scopes)
}

// mintForClient signs an access token for the client itself (client_credentials).
func (c *Cognito) mintForClient(a appClient, scopes []string) (tokens, error) {
	now := c.now()
	access, err := c.sign(map[string]any{
		"sub":       a.id,
		"iss":       c.issuer,
		"auth_time": now.Unix(),
		"iat":       now.Unix(),
		"exp":       now.Add(a.settings.accessLifetime()).Unix(),
		"token_use": "access",
		"client_id": a.id,
		"scope":     strings.Join(scopes, " "),
		"version":   2,
		"jti":       newUUID(),
	})
	return tokens{AccessToken: access, ExpiresIn: int64(a.settings.accessLifetime() / time.Second), TokenType: "Bearer"}, err
}

func merge(a, b map[string]any) map[string]any {
	out := make(map[string]any, len(a)+len(b))
	for k, v := range a {
		out[k] = v
	}
	for k, v := range b {
		out[k] = v
	}
	return out
}

// newRefreshToken makes an opaque token with the length and shape of Cognito's,
// which are encrypted JWTs: five parts, about 1,700 characters. So a store in a
// test has to have room for it.
func newRefreshToken() string {
	const header = "eyJjdHkiOiJKV1QiLCJlbmMiOiJBMjU2R0NNIiwiYWxnIjoiUlNBLU9BRVAifQ"
	return strings.Join([]string{header, randomBase64(256), randomBase64(12), randomBase64(950), randomBase64(16)}, ".")
}

// newRefreshTokenOf makes and stores a refresh token for g. The caller holds
// c.mu.
func (c *Cognito) newRefreshTokenOf(g *grant) string {
	t := newRefreshToken()
	c.refreshes[t] = &refreshToken{grant: g}
	return t
}

// usableRefreshToken returns the refresh token if client may still use it. The
// caller holds c.mu.
func (c *Cognito) usableRefreshToken(token, client string) (*refreshToken, bool) {
	rt := c.refreshes[token]
	now := c.now()
	switch {
	case rt == nil,
		rt.grant.client != client,
		!now.Before(rt.grant.expires),
		!rt.retired.IsZero() && !now.Before(rt.retired),
		!c.revoked[rt.grant.origin].IsZero():
		return nil, false
	}
	return rt, true
}

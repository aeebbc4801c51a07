package fake

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

const (
	// OAuthGrace is how long Cognito accepts a refresh token after it was rotated.
	OAuthGrace = time.Minute
	// OAuthLifetime is how long the refresh tokens of a sign-in are valid. Rotation
	// does not extend it.
	OAuthLifetime = 30 * 24 * time.Hour
)

// OAuth is the OAuth endpoints of a user pool in memory, with faults in Redeem,
// Refresh, UserInfo and Revoke. Every user signs in and no page is shown. It implements the
// ports of authorization, token and grants, and is safe for concurrent use. It
// signs nothing, so that a simulation can make many calls.
type OAuth struct {
	*Faults
	// Secret returns the secret of an app client, or false if it does not exist.
	// If Secret is nil, Cognito accepts any app client.
	Secret func(appID string) (string, bool)
	// Rotates reports, at each sign-in, whether its refreshes return new refresh
	// tokens; nil is never.
	Rotates func() bool

	now    func() time.Time
	mu     sync.Mutex
	made   int
	codes  map[string]*oauthCode
	tokens map[string]*oauthToken
	all    []*SignIn
}

// SignIn is a sign-in of a user, to which refresh tokens belong.
type SignIn struct {
	Origin, AppID, Sub string
	// Newest is the refresh token that was issued last, "" before the first.
	Newest string
	// Revoked is set when a refresh token of the sign-in was revoked.
	Revoked bool
	scopes  string
	rotates bool
	expires time.Time
}

type oauthCode struct {
	*SignIn
	challenge, redirectURI string
}

type oauthToken struct {
	*SignIn
	retired time.Time // when it ends after a rotation; zero before
}

// NewOAuth returns endpoints without sign-ins. now is the time.
func NewOAuth(now func() time.Time) *OAuth {
	return &OAuth{
		Faults: NewFaults("Redeem", "Refresh", "Revoke", "ClientCredentials", "UserInfo"), now: now,
		codes: make(map[string]*oauthCode), tokens: make(map[string]*oauthToken),
	}
}

// AuthorizeURL implements authorization.Cognito.
func (o *OAuth) AuthorizeURL(v url.Values) string {
	return "https://cognito.example/oauth2/authorize?" + v.Encode()
}

// LogoutURL implements authorization.Cognito.
func (o *OAuth) LogoutURL(appID, signedOut string) string {
	return "https://cognito.example/logout?" + url.Values{"client_id": {appID}, "logout_uri": {signedOut}}.Encode()
}

// SignIn signs a user in at the address from AuthorizeURL. It returns what
// Cognito's redirect to the callback has, and the origin_jti of the sign-in.
func (o *OAuth) SignIn(page, sub string) (code, state, origin string, err error) {
	u, err := url.Parse(page)
	if err != nil {
		return "", "", "", err
	}
	q := u.Query()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.made++
	code, origin = fmt.Sprintf("code-%d", o.made), fmt.Sprintf("sign-in-%d", o.made)
	s := &SignIn{Origin: origin, AppID: q.Get("client_id"), Sub: sub, scopes: q.Get("scope"), rotates: o.Rotates != nil && o.Rotates()}
	o.codes[code] = &oauthCode{s, q.Get("code_challenge"), q.Get("redirect_uri")}
	return code, q.Get("state"), origin, nil
}

// SignIns returns all sign-ins whose code was redeemed.
func (o *OAuth) SignIns() []SignIn {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := make([]SignIn, 0, len(o.all))
	for _, s := range o.all {
		list = append(list, *s)
	}
	return list
}

// Usable reports whether Cognito accepts the refresh token now.
func (o *OAuth) Usable(refreshToken string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	t := o.tokens[refreshToken]
	return t != nil && o.usable(t)
}

// usable is Usable for a caller that holds o.mu.
func (o *OAuth) usable(t *oauthToken) bool {
	now := o.now()
	return !t.Revoked && now.Before(t.expires) && (t.retired.IsZero() || now.Before(t.retired))
}

// Redeem implements authorization.Cognito.
func (o *OAuth) Redeem(ctx context.Context, app broker.AppCredentials, code, verifier, redirectURI string) (broker.Tokens, error) {
	return o.call(ctx, "Redeem", app, func() (broker.Tokens, error) {
		c := o.codes[code]
		delete(o.codes, code)
		if c == nil || c.AppID != app.ID || c.redirectURI != redirectURI || broker.PKCEChallenge(verifier) != c.challenge {
			return broker.Tokens{}, refused(broker.InvalidGrant)
		}
		c.expires = o.now().Add(OAuthLifetime)
		o.all = append(o.all, c.SignIn)
		return o.issue(app, c.SignIn, o.refreshToken(c.SignIn), JWT(map[string]any{"sub": c.Sub, "aud": app.ID, "cognito:username": c.Sub}))
	})
}

// UserInfo implements authorization.Cognito. Its users have no addresses.
func (o *OAuth) UserInfo(ctx context.Context, accessToken string) (broker.UserInfo, error) {
	return result(o.Faults, "UserInfo", func() (broker.UserInfo, error) {
		t, err := broker.ParseTokens(broker.AppCredentials{}, accessToken, "", "")
		return broker.UserInfo{Sub: t.Sub}, errors.Join(ctx.Err(), err)
	})
}

// Refresh implements token.Cognito.
func (o *OAuth) Refresh(ctx context.Context, app broker.AppCredentials, refreshToken string) (broker.Tokens, error) {
	return o.call(ctx, "Refresh", app, func() (broker.Tokens, error) {
		t := o.tokens[refreshToken]
		if t == nil || t.AppID != app.ID || !o.usable(t) {
			return broker.Tokens{}, refused(broker.InvalidGrant)
		}
		if !t.rotates {
			return o.issue(app, t.SignIn, "", "")
		}
		if t.retired.IsZero() {
			t.retired = o.now().Add(OAuthGrace)
		}
		return o.issue(app, t.SignIn, o.refreshToken(t.SignIn), "")
	})
}

// ClientCredentials implements token.Cognito.
func (o *OAuth) ClientCredentials(ctx context.Context, app broker.AppCredentials, scopes []string) (broker.Tokens, error) {
	return o.call(ctx, "ClientCredentials", app, func() (broker.Tokens, error) {
		return o.issue(app, &SignIn{AppID: app.ID, Sub: app.ID, scopes: strings.Join(scopes, " ")}, "", "")
	})
}

// Revoke implements grants.Cognito. It ends the whole sign-in, also with a refresh
// token that was rotated.
func (o *OAuth) Revoke(ctx context.Context, app broker.AppCredentials, refreshToken string) error {
	_, err := o.call(ctx, "Revoke", app, func() (broker.Tokens, error) {
		if t := o.tokens[refreshToken]; t != nil && t.AppID == app.ID {
			t.Revoked = true
		}
		return broker.Tokens{}, nil
	})
	return err
}

// call runs a call of an app client with o.mu held, unless it fails.
func (o *OAuth) call(ctx context.Context, method string, app broker.AppCredentials, f func() (broker.Tokens, error)) (broker.Tokens, error) {
	got, err := result(o.Faults, method, func() (broker.Tokens, error) {
		if err := ctx.Err(); err != nil {
			return broker.Tokens{}, err
		}
		if o.Secret != nil {
			if secret, ok := o.Secret(app.ID); !ok || secret != app.Secret {
				return broker.Tokens{}, refused(broker.InvalidClient)
			}
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		return f()
	})
	if err != nil && broker.UpstreamCode(err) == "" {
		err = &broker.UpstreamError{RetryAfter: time.Second, Cause: err}
	}
	return got, err
}

// refreshToken makes a refresh token of s. The caller holds o.mu.
func (o *OAuth) refreshToken(s *SignIn) string {
	o.made++
	s.Newest = fmt.Sprintf("refresh-%d", o.made)
	o.tokens[s.Newest] = &oauthToken{SignIn: s}
	return s.Newest
}

// issue returns tokens of s, whose access token is valid for an hour.
func (o *OAuth) issue(app broker.AppCredentials, s *SignIn, refreshToken, idToken string) (broker.Tokens, error) {
	now := o.now().Unix()
	access := map[string]any{"sub": s.Sub, "client_id": s.AppID, "scope": s.scopes, "iat": now, "exp": now + 3600}
	if s.Origin != "" {
		access["origin_jti"], access["username"] = s.Origin, s.Sub
	}
	return broker.ParseTokens(app, JWT(access), refreshToken, idToken)
}

func refused(code dcr.Code) error { return &broker.UpstreamError{Code: string(code)} }

package authorization

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// signInURL returns the address where the user of t signs in: Cognito's
// authorize endpoint with the broker's own callback, state and PKCE challenge,
// and exactly the scopes to grant. It adds openid, so that Cognito's tokens
// name the user.
func (v *visit) signInURL(t *broker.Transaction, s Secret) string {
	f := v.flow
	params := url.Values{
		"response_type":         {"code"},
		"client_id":             {t.CognitoID},
		"redirect_uri":          {f.config.Issuer + broker.CallbackPath},
		"state":                 {s.state()},
		"scope":                 {strings.Join(broker.WithOpenID(t.Scopes), " ")},
		"code_challenge":        {broker.PKCEChallenge(s.verifier())},
		"code_challenge_method": {"S256"},
	}
	set := func(name, value string) {
		if value != "" {
			params.Set(name, value)
		}
	}
	set("nonce", t.Nonce)
	set("login_hint", t.LoginHint)
	set("lang", t.Lang)
	set("identity_provider", t.IdentityProvider)
	if f.config.LoginVersion == 2 {
		set("prompt", cognitoPrompt(t.Prompt))
	}
	if v.conf.ResourceBinding {
		set("resource", t.Resource)
	}
	return f.config.Cognito.AuthorizeURL(params)
}

// cognitoPrompt returns the part of the client's prompt that Cognito gets. The
// broker itself handles consent.
func cognitoPrompt(prompt string) string {
	return strings.Join(slices.DeleteFunc(strings.Fields(prompt), func(p string) bool { return p == "consent" }), " ")
}

// prompts reports whether the client requested this prompt.
func prompts(t *broker.Transaction, prompt string) bool {
	return slices.Contains(strings.Fields(t.Prompt), prompt)
}

// signInApp returns the app client of a transaction before the callback.
func (v *visit) signInApp(t *broker.Transaction) (broker.AppCredentials, error) {
	s, err := v.ring.Open(sealSignIn, t.Key.String(), t.Tokens)
	return broker.AppCredentials{ID: t.CognitoID, Secret: s}, err
}

// tokens returns Cognito's tokens of a transaction after the callback.
func (v *visit) tokens(t *broker.Transaction) (broker.Tokens, error) {
	text, err := v.ring.Open(sealTransaction, t.Key.String(), t.Tokens)
	if err != nil {
		return broker.Tokens{}, err
	}
	return broker.DecodeTokens(text)
}

// revoke ends a sign-in at Cognito that led to no grant. A failed revocation is
// logged and ignored: the refresh token is not stored anywhere.
func (f *Flow) revoke(ctx context.Context, app broker.AppCredentials, refreshToken string) {
	if refreshToken == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	if err := f.config.Cognito.Revoke(ctx, app, refreshToken); err != nil {
		f.warnNotRevoked(ctx, app.ID, err)
	}
}

// endTransaction ends a transaction after the callback: it revokes the sign-in at
// Cognito and removes the transaction.
func (v *visit) endTransaction(ctx context.Context, t *broker.Transaction) {
	tokens, err := v.tokens(t)
	if err != nil {
		v.flow.warnNotRevoked(ctx, t.CognitoID, err)
	}
	v.flow.revoke(ctx, broker.AppCredentials{ID: t.CognitoID, Secret: tokens.AppSecret}, tokens.RefreshToken)
	v.flow.forget(ctx, t)
}

func (f *Flow) warnNotRevoked(ctx context.Context, appID string, err error) {
	f.warn(ctx, "refresh token not revoked at Cognito", "app_client", appID, "error", err)
}

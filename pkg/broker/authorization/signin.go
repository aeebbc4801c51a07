package authorization

import (
	"context"
	"errors"
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
	return t.OpenTokens(v.ring)
}

// revoke ends a sign-in at Cognito that led to no grant.
func (f *Flow) revoke(ctx context.Context, t *broker.Transaction, tokens broker.Tokens) error {
	if tokens.RefreshToken == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	return f.config.Cognito.Revoke(ctx, broker.AppCredentials{ID: t.CognitoID, Secret: tokens.AppSecret}, tokens.RefreshToken)
}

// endTransaction ends a transaction after the callback: it revokes the sign-in at
// Cognito and removes the transaction. If the revocation fails, the transaction
// stays, and the janitor repeats both.
func (v *visit) endTransaction(ctx context.Context, t *broker.Transaction) {
	tokens, err := v.tokens(t)
	if err == nil {
		err = v.flow.revoke(ctx, t, tokens)
	}
	if err != nil {
		v.flow.warn(ctx, "revocation at Cognito left to the janitor", "app_client", t.CognitoID, "error", err)
		return
	}
	v.flow.forget(ctx, t)
}

// endSignIn ends a sign-in that failed after Cognito issued these tokens. If the
// revocation fails, it stores the tokens for the janitor. The transaction stays at
// its step, at which a page can show the failure (see Flow.Denied), unless the
// failed request has tried to take the next step: that transaction must not
// continue with a revoked token.
func (v *visit) endSignIn(ctx context.Context, t *broker.Transaction, tokens broker.Tokens) {
	f, tried := v.flow, t.Step == broker.StepSignedIn
	err := f.revoke(ctx, t, tokens)
	if err == nil {
		if tried {
			f.forget(ctx, t)
		}
		return
	}
	t.Step = broker.StepRedeeming
	t.SetTokens(v.ring, tokens)
	store, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	notStored := f.config.Store.ReplaceTransaction(store, t)
	if notStored == nil || tried && errors.Is(notStored, broker.ErrConflict) { // the request has stored the tokens
		f.warn(ctx, "revocation at Cognito left to the janitor", "app_client", t.CognitoID, "error", err)
		return
	}
	f.warn(ctx, "refresh token not revoked at Cognito", "app_client", t.CognitoID, "error", errors.Join(err, notStored))
}

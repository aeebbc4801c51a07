package authorize

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// signInURL is where the user of t signs in: Cognito's authorize endpoint, with
// our callback, a state and PKCE of our own, and exactly the scopes to be
// granted, openid besides, which tells us who it is.
func (f *Front) signInURL(t *broker.Transaction, s secret) string {
	v := url.Values{
		"response_type":         {"code"},
		"client_id":             {t.CognitoID},
		"redirect_uri":          {f.Issuer + CallbackPath},
		"state":                 {s.state()},
		"scope":                 {strings.Join(withOpenID(t.Scopes), " ")},
		"code_challenge":        {broker.PKCEChallenge(s.verifier())},
		"code_challenge_method": {"S256"},
	}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	set("nonce", t.Nonce)
	set("login_hint", t.LoginHint)
	set("lang", t.Lang)
	if f.LoginVersion == 2 {
		set("prompt", cognitoPrompt(t.Prompt))
	}
	if f.ResourceBinding {
		set("resource", t.Resource)
	}
	return f.Cognito.AuthorizeURL(v)
}

func withOpenID(scopes []string) []string {
	if slices.Contains(scopes, openID) {
		return scopes
	}
	return append([]string{openID}, scopes...)
}

const openID = "openid"

// cognitoPrompt is what Cognito is to do of what the client asked for. Asking
// for consent is ours.
func cognitoPrompt(prompt string) string {
	return strings.Join(slices.DeleteFunc(strings.Fields(prompt), func(p string) bool { return p == "consent" }), " ")
}

// prompts reports whether the client asked for p.
func prompts(t *broker.Transaction, p string) bool {
	return slices.Contains(strings.Fields(t.Prompt), p)
}

// signInApp is the app client of a transaction in which nobody has signed in
// yet.
func (f *Front) signInApp(t *broker.Transaction) (broker.AppCredentials, error) {
	s, err := f.Keys.Open(purposeSignIn, t.Key.String(), t.Tokens)
	return broker.AppCredentials{ID: t.CognitoID, Secret: s}, err
}

// tokens are those of a transaction in which somebody has signed in.
func (f *Front) tokens(t *broker.Transaction) (broker.Tokens, error) {
	text, err := f.Keys.Open(purposeTransaction, t.Key.String(), t.Tokens)
	if err != nil {
		return broker.Tokens{}, err
	}
	return broker.DecodeTokens(text)
}

// revoke ends what a user has signed in to and nobody was granted. That it
// cannot be ended stops nobody: the refresh token is kept nowhere.
func (f *Front) revoke(r *http.Request, app broker.AppCredentials, refreshToken string) {
	if refreshToken == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), undoTime)
	defer cancel()
	if err := f.Cognito.Revoke(ctx, app, refreshToken); err != nil {
		httpapi.Logger(r).WarnContext(ctx, "refresh token not revoked at Cognito", "app_client", app.ID, "error", err)
	}
}

// endSignIn revokes the refresh token of a transaction in which somebody has
// signed in.
func (f *Front) endSignIn(r *http.Request, t *broker.Transaction, record *broker.AppClient) {
	tokens, err := f.tokens(t)
	var s string
	if err == nil {
		s, err = f.Keys.Open(broker.SecretPurpose, record.SecretOwner(), record.Secret)
	}
	if err != nil || record.CognitoID != t.CognitoID {
		httpapi.Logger(r).WarnContext(r.Context(), "refresh token not revoked at Cognito", "app_client", t.CognitoID, "error", err)
		return
	}
	f.revoke(r, broker.AppCredentials{ID: record.CognitoID, Secret: s}, tokens.RefreshToken)
}

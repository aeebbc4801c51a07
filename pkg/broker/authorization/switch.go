package authorization

import (
	"context"
	"errors"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// switchAccount lets the user sign in with another account: it revokes the
// sign-in at Cognito, signs the browser out there, and starts the request again
// in a new transaction. Resume continues the new transaction. It stores the new
// transaction before it takes the step of the old one: if the store fails, the user
// can decide again.
func (v *visit) switchAccount(ctx context.Context) (Outcome, error) {
	f := v.flow
	old, err := v.toDecide(ctx)
	if err != nil {
		return Outcome{}, undecided(err)
	}
	next := &visit{f, v.conf, v.ring, newSecret(f.config.Now())}
	t, err := next.repeat(ctx, old)
	if repeatable(err) {
		return Outcome{}, undecided(err)
	}
	if err != nil {
		return Outcome{}, inLanguage(err, old.Lang)
	}
	if old, err = v.refuse(ctx, old); err != nil {
		f.forget(ctx, t)
		return Outcome{}, undecided(err)
	}
	v.endTransaction(ctx, old)
	return Outcome{Lang: t.Lang, URL: f.config.Cognito.LogoutURL(t.CognitoID, f.config.Issuer+broker.SignedOutPath), Next: next.secret, Ended: true}, nil
}

// repeat stores a transaction with the same request. The callback will check
// whether the client is still registered.
func (v *visit) repeat(ctx context.Context, old *broker.Transaction) (*broker.Transaction, error) {
	tokens, err := v.tokens(old)
	if err != nil {
		return nil, err
	}
	return v.create(ctx, tokens.AppSecret, &broker.Transaction{
		ClientID:    old.ClientID,
		Generation:  old.Generation,
		RedirectURI: old.RedirectURI,
		State:       old.State,
		Nonce:       old.Nonce,
		Scopes:      old.Scopes,
		Resource:    old.Resource,
		Challenge:   old.Challenge,
		Lang:        old.Lang,
		Prompt:      otherAccount(old.Prompt),
		AppClient:   old.AppClient,
		CognitoID:   old.CognitoID,

		IdentityProvider: old.IdentityProvider,
	})
}

// otherAccount returns the prompt for a user who wants another account. Without
// select_account an identity provider would sign in the account that it
// remembers, as Cognito's own pages do after signing out.
func otherAccount(prompt string) string {
	if strings.Contains(prompt, "login") || strings.Contains(prompt, "select_account") {
		return prompt
	}
	return strings.TrimSpace(prompt + " select_account")
}

// Resume continues after Cognito has signed the browser out. It returns where the
// user of the new transaction signs in, or "" if the browser has no transaction
// that waits for a sign-in.
func (f *Flow) Resume(ctx context.Context, s Secret) (signInURL string, err error) {
	t, err := f.transaction(ctx, s)
	if p, ok := errors.AsType[*Problem](err); ok && p.Kind == Unavailable {
		return "", err
	}
	if err != nil || t.Step != broker.StepStarted {
		return "", nil
	}
	v, err := f.visitWithoutKeys(ctx, s)
	if err != nil {
		return "", err
	}
	return v.signInURL(t, s), nil
}

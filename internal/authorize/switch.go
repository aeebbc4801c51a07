package authorize

import (
	"errors"
	"net/http"
	"strings"

	"github.com/dcr-broker/dcr-broker/internal/pages"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// switchUser lets the user be somebody else: what was signed in to is revoked,
// the browser is signed out at Cognito, and the request begins anew in a new
// transaction, which signedOut takes up.
func (f *Front) switchUser(w http.ResponseWriter, r *http.Request, s secret) {
	old, err := f.Grants.TakeStep(r.Context(), s.key(), broker.StepSignedIn, broker.StepDecided)
	if err != nil {
		f.undecided(w, r, err)
		return
	}
	next, t, err := f.again(r, old)
	if err != nil {
		f.forget(r, old)
		f.cookies.clear(w)
		f.showProblem(w, r, old.Lang, err)
		return
	}
	f.forget(r, old)
	f.cookies.set(w, next)
	f.Pages.Continue(w, pages.ContinueView{
		Lang: languages(r, t.Lang), Target: f.Cognito.LogoutURL(t.CognitoID, f.Issuer+SignedOutPath), SignOut: true,
	})
}

// again revokes what was signed in to and makes a transaction of the same
// request. That the client is still registered, the callback sees to.
func (f *Front) again(r *http.Request, old *broker.Transaction) (secret, *broker.Transaction, error) {
	app, err := f.AppClients.AppClient(r.Context(), old.AppClient)
	if err != nil || !app.Usable(f.LoginVersion == 2) {
		return secret{}, nil, &problem{kind: pages.SignInFailed, detail: "the app client cannot be used any more", cause: err}
	}
	f.endSignIn(r, old, app)
	s := newSecret()
	t, err := f.create(r.Context(), s, app, &broker.Transaction{
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
	})
	return s, t, final(err)
}

// otherAccount is the prompt of a user who wants to be somebody else. An identity
// provider that still knows the user would not ask, as Cognito's own pages do
// after signing out.
func otherAccount(prompt string) string {
	if strings.Contains(prompt, "login") || strings.Contains(prompt, "select_account") {
		return prompt
	}
	return strings.TrimSpace(prompt + " select_account")
}

// signedOut is GET /signed-out, to which Cognito sends the browser after signing
// out: it goes on to sign in for the transaction that the browser is in.
func (f *Front) signedOut(w http.ResponseWriter, r *http.Request) {
	s, t, err := f.transaction(r)
	if p, ok := errors.AsType[*problem](err); ok && p.kind == pages.Unavailable {
		f.showProblem(w, r, "", err)
		return
	}
	if err != nil || t.Step != broker.StepStarted {
		f.Pages.SignedOut(w, languages(r, ""))
		return
	}
	see(w, f.signInURL(t, s))
}

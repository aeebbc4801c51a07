package authorize

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/internal/pages"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// callback is GET /callback, to which Cognito sends the browser after signing
// in. Whatever happens, the answer is a redirect, so that Cognito's code does not
// stay in the address bar: to the consent page, to the client, or here again,
// with nothing in the query but what the page is to say.
func (f *Front) callback(w http.ResponseWriter, r *http.Request) {
	q, wrong := parseQuery(r.URL.RawQuery)
	if wrong == "" && len(q.values) == 1 && (q.has(paramProblem) || q.has(paramDenied)) {
		f.explain(w, r, q)
		return
	}
	to, err := f.signedIn(w, r, q, wrong)
	if err == nil {
		see(w, to)
		return
	}
	if d, ok := errors.AsType[*denial](err); ok {
		logDenial(w, r, d)
		if d.to.vouched {
			f.cookies.clear(w)
			see(w, f.denyURL(d.to, d.oauthError))
			return
		}
		see(w, CallbackPath+"?"+url.Values{paramDenied: {d.code}}.Encode())
		return
	}
	p, ok := errors.AsType[*problem](err)
	if !ok {
		p = &problem{kind: pages.Internal, cause: err}
	}
	logProblem(w, r, p)
	see(w, CallbackPath+"?"+url.Values{paramProblem: {problemNames[p.kind]}}.Encode())
}

// The query of a callback that only says what a page is to say.
const (
	paramProblem = "problem"
	paramDenied  = "denied"
)

// problemNames are the problems of a callback. Anybody can link to their pages,
// which say nothing of anybody.
var problemNames = map[pages.Problem]string{
	pages.Internal:       "internal",
	pages.BadRequest:     "bad_request",
	pages.BadRedirectURI: "bad_redirect_uri",
	pages.UnknownClient:  "unknown_client",
	pages.NotApproved:    "not_approved",
	pages.Expired:        "expired",
	pages.OtherBrowser:   "other_browser",
	pages.SignInFailed:   "sign_in_failed",
}

// explain shows the page of a callback that failed.
func (f *Front) explain(w http.ResponseWriter, r *http.Request, q query) {
	if code := q.value(paramDenied); code != "" {
		err := f.denied(r, code)
		f.fail(w, r, "", err)
		return
	}
	for kind, name := range problemNames {
		if name == q.value(paramProblem) {
			f.showProblem(w, r, "", &problem{kind: kind})
			return
		}
	}
	f.showProblem(w, r, "", &problem{kind: pages.BadRequest, detail: "no such page"})
}

// denied is the denial that the transaction of this browser ended with at the
// callback. Only there can one stop at Redeeming.
func (f *Front) denied(r *http.Request, code string) error {
	expired := &problem{kind: pages.Expired, detail: "this sign-in has ended"}
	s, ok := f.cookies.read(r)
	if !ok || toldCode(code) != code {
		return expired
	}
	t, err := f.Grants.Transaction(r.Context(), s.key())
	switch {
	case errors.Is(err, broker.ErrNotFound):
		return expired
	case err != nil:
		return unavailable("the sign-in could not be read", err)
	case t.Step != broker.StepRedeeming:
		return expired
	}
	c, err := f.clientOf(r.Context(), t)
	if err != nil {
		return err
	}
	return &denial{to: c.to, oauthError: oauthError{code, ""}}
}

// signedIn takes what Cognito sent and returns where to go.
func (f *Front) signedIn(w http.ResponseWriter, r *http.Request, q query, wrong string) (string, error) {
	if wrong != "" || len(q.repeated) > 0 || q.has("code") == q.has("error") {
		return "", &problem{kind: pages.BadRequest, detail: "the callback is for answers of Cognito"}
	}
	s, ok := f.cookies.read(r)
	if !ok || !same(q.value("state"), s.state()) {
		// Another browser, or another transaction of this one: whoever made it
		// does not get to sign this browser in (RFC 9700 §4.7).
		return "", &problem{kind: pages.OtherBrowser, detail: "state is not of this browser's transaction"}
	}
	t, err := f.take(r.Context(), s, broker.StepStarted, broker.StepRedeeming)
	if err != nil {
		return "", err
	}
	c, err := f.clientOf(r.Context(), t)
	if err != nil {
		return "", final(err)
	}
	if code := q.value("error"); code != "" {
		return "", c.deny(toldCode(code), toldDescription(q.value("error_description")), errors.New("cognito: "+dcr.Quote(code)))
	}
	app, err := f.signInApp(t)
	if err != nil {
		return "", err
	}
	tokens, err := f.Cognito.Redeem(r.Context(), app, q.value("code"), s.verifier(), f.Issuer+CallbackPath)
	if err != nil {
		return "", redeemDenial(c, err)
	}
	tokens.AppSecret = app.Secret
	to, err := f.identified(w, r, s, t, c, tokens)
	if err != nil {
		f.revoke(r, app, tokens.RefreshToken)
	}
	return to, err
}

// identified goes on when it is known who the user is: to the consent page, or
// to the client with a code if there is a consent that covers all that it asks
// for.
func (f *Front) identified(w http.ResponseWriter, r *http.Request, s secret, t *broker.Transaction, c client, tokens broker.Tokens) (string, error) {
	if tokens.User.Sub == "" || tokens.OriginJTI == "" || tokens.RefreshToken == "" {
		return "", c.deny("server_error", "the user could not be identified", errors.New("cognito: no id token, origin_jti or refresh token"))
	}
	t.User, t.OriginJTI = tokens.User, tokens.OriginJTI
	// A trigger of the pool may have taken scopes away. What the user is asked
	// for, and the client told, is what the token has.
	t.Scopes = slices.DeleteFunc(t.Scopes, func(s string) bool { return !slices.Contains(tokens.Scopes, s) })
	if len(t.Scopes) == 0 {
		return "", c.deny("invalid_scope", "the user pool granted none of the scopes", nil)
	}
	t.Tokens = f.Keys.Seal(purposeTransaction, t.Key.String(), tokens.Encode())
	mayConsent := c.profile.Users().Allow(t.User.Groups, t.User.IdentityProvider)
	if mayConsent && f.consented(r, t, c) {
		code, err := f.issue(r, s, t)
		if err != nil {
			return "", c.deny("temporarily_unavailable", "the grant could not be stored", err)
		}
		decided(r, t, telemetry.ConsentUsed, "remembered")
		f.cookies.clear(w)
		return respond(t.RedirectURI, f.Issuer, t.State, url.Values{"code": {code.Reveal()}}), nil
	}
	if prompts(t, "none") {
		if !mayConsent {
			return "", c.deny("access_denied", "this user may not use the client", nil)
		}
		return "", c.deny("consent_required", "", nil)
	}
	t.Step = broker.StepSignedIn
	if err := f.Grants.ReplaceTransaction(r.Context(), t); err != nil {
		f.forget(r, t)
		return "", c.deny("temporarily_unavailable", "the sign-in could not be stored", err)
	}
	return consentPath, nil
}

// consented reports whether there is a consent that covers all of t. Without an
// answer the user is asked.
func (f *Front) consented(r *http.Request, t *broker.Transaction, c client) bool {
	if !remembers(c.profile, c.to.redirect) || prompts(t, "consent") {
		return false
	}
	found, err := f.Grants.Consent(r.Context(), f.consentKey(t))
	if errors.Is(err, broker.ErrNotFound) {
		return false
	}
	if err != nil {
		httpapi.Logger(r).WarnContext(r.Context(), "consent not read", "client_id", t.ClientID, "error", err)
		return false
	}
	missing := func(s string) bool { return !slices.Contains(found.Scopes, s) }
	return f.Now().Before(found.ExpiresAt) && found.Sub == t.User.Sub && found.ClientID == t.ClientID && !slices.ContainsFunc(t.Scopes, missing)
}

func (f *Front) consentKey(t *broker.Transaction) string {
	return broker.ConsentKey(f.Keys, t.User.Sub, t.ClientID, t.Generation, t.RedirectURI, t.Resource)
}

// forget removes a transaction of which it is not known how far it got.
func (f *Front) forget(r *http.Request, t *broker.Transaction) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), undoTime)
	defer cancel()
	if err := f.Grants.DeleteTransaction(ctx, t.Key); err != nil {
		httpapi.Logger(r).WarnContext(ctx, "transaction not removed", "client_id", t.ClientID, "error", err)
	}
}

// take takes a step of the transaction of s. A step that was taken already, as
// by a callback that comes a second time, is a page.
func (f *Front) take(ctx context.Context, s secret, from, to broker.Step) (*broker.Transaction, error) {
	t, err := f.Grants.TakeStep(ctx, s.key(), from, to)
	switch {
	case errors.Is(err, broker.ErrNotFound):
		return nil, &problem{kind: pages.Expired, detail: "this sign-in has expired"}
	case errors.Is(err, broker.ErrConflict):
		return nil, &problem{kind: pages.Expired, detail: "this step of the sign-in was taken already", cause: err}
	case err != nil:
		// Whether the step was taken is not known, so it cannot be tried again.
		return nil, &problem{kind: pages.SignInFailed, detail: "the sign-in could not be read", cause: err}
	}
	return t, nil
}

// clientOf is the client of a transaction, if it may still be used and has not
// been registered anew since.
func (f *Front) clientOf(ctx context.Context, t *broker.Transaction) (client, error) {
	reg, profile, err := f.registration(ctx, t.ClientID)
	if err != nil {
		return client{}, err
	}
	if reg.Generation != t.Generation {
		return client{}, &problem{kind: pages.UnknownClient, detail: "the client has been registered anew since"}
	}
	u, ok := matchRedirectURI(t.RedirectURI, reg.Metadata.RedirectURIs)
	if !ok {
		return client{}, &problem{kind: pages.BadRedirectURI, detail: "the client has given up this redirect URI since"}
	}
	return client{reg, profile, recipient{u, t.State, vouched(reg, profile, u)}}, nil
}

// final is err for who cannot try the same again.
func final(err error) error {
	if p, ok := errors.AsType[*problem](err); ok && p.kind == pages.Unavailable {
		p.kind = pages.SignInFailed
	}
	return err
}

func (c client) deny(code, description string, cause error) *denial {
	return &denial{to: c.to, oauthError: oauthError{code, description}, cause: cause}
}

// redeemDenial is what the client learns if the code could not be redeemed.
func redeemDenial(c client, err error) *denial {
	if e, ok := errors.AsType[*broker.UpstreamError](err); ok && e.Code != "" {
		return c.deny("server_error", "the sign-in could not be completed", err)
	}
	return c.deny("temporarily_unavailable", "Cognito did not answer, try again", err)
}

// toldCode is the code that a client is told for one of Cognito's (RFC 6749
// §4.1.2.1, OpenID Connect Core §3.1.2.6). Those that are about our own app client
// are an error of ours.
func toldCode(code string) string {
	switch code {
	case "access_denied", "invalid_request", "invalid_scope", "server_error", "temporarily_unavailable",
		"login_required", "interaction_required", "consent_required", "account_selection_required":
		return code
	}
	return "server_error"
}

// toldDescription is Cognito's description in the characters of RFC 6749
// §4.1.2.1, or "".
func toldDescription(s string) string {
	if len(s) > 300 || !printable(s) {
		return ""
	}
	for _, c := range s {
		if c == '"' || c == '\\' {
			return ""
		}
	}
	return s
}

package authorization

import (
	"context"
	"errors"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// SignedIn handles Cognito's answer to the callback. It returns the client's
// redirect URI with a code if a stored consent covers the request, and "" if
// the user has to see the consent page.
func (f *Flow) SignedIn(ctx context.Context, s Secret, c Callback) (clientURL string, err error) {
	v, err := f.visit(ctx, s)
	if err != nil {
		return "", err
	}
	if clientURL, err = v.signedIn(ctx, c); err != nil {
		return "", inLanguage(err, "")
	}
	return clientURL, nil
}

func (v *visit) signedIn(ctx context.Context, cb Callback) (string, error) {
	f, s := v.flow, v.secret
	if cb.Repeated || (cb.Code == "") == (cb.Error == "") {
		return "", InvalidCallback()
	}
	if err := s.missing(); err != nil {
		return "", err
	}
	// RFC 9700 §4.7: without this check an attacker could sign this browser in
	// as the attacker, with the callback of the attacker's own transaction.
	if !s.matches(cb.State, s.state()) {
		return "", &Problem{Kind: OtherBrowser, Detail: "state is not of this transaction"}
	}
	// A step is taken once, so everything that the broker reads comes first: if it
	// fails, the browser can load this address again.
	t, err := f.transaction(ctx, s)
	if err != nil {
		return "", err
	}
	if t.Step != broker.StepStarted {
		return "", takenAlready(nil)
	}
	c, err := v.clientOf(ctx, t)
	if err != nil {
		return "", err
	}
	app, err := v.signInApp(t)
	if err != nil {
		return "", err
	}
	if t, err = v.takeStep(ctx, broker.StepStarted, broker.StepRedeeming); err != nil {
		return "", err
	}
	if cb.Error != "" {
		return "", f.deny(c, broker.Refusal{
			Code: publicCode(cb.Error), Description: broker.PublicDescription(cb.ErrorDescription), Cause: errors.New("cognito: " + dcr.Quote(cb.Error)),
		})
	}
	tokens, err := f.config.Cognito.Redeem(ctx, app, cb.Code, s.verifier(), f.config.Issuer+broker.CallbackPath)
	if err != nil {
		return "", f.deny(c, redeemRefusal(err))
	}
	tokens.AppSecret = app.Secret
	f.addEmail(ctx, &tokens)
	to, err := v.issueOrAsk(ctx, t, c, tokens)
	if err != nil {
		v.endSignIn(ctx, t, tokens)
	}
	return to, err
}

// InvalidCallback is the Problem of a callback that Cognito did not cause.
func InvalidCallback() *Problem {
	return &Problem{Kind: BadRequest, Detail: "the callback is for answers of Cognito"}
}

// issueOrAsk issues a code if a stored consent covers the request, and returns
// the client's redirect URI with it. Otherwise it stores the tokens for the
// consent page and returns "".
func (v *visit) issueOrAsk(ctx context.Context, t *broker.Transaction, c client, tokens broker.Tokens) (string, error) {
	f := v.flow
	if tokens.User.Sub == "" || tokens.OriginJTI == "" || tokens.RefreshToken == "" {
		return "", f.deny(c, broker.Refusal{
			Code: ServerError, Description: "the user could not be identified", Cause: errors.New("cognito: no id token, origin_jti or refresh token"),
		})
	}
	t.User, t.OriginJTI = tokens.User, tokens.OriginJTI
	// A Lambda trigger of the pool may have removed scopes. The consent page
	// shows the scopes that the token has.
	requested := t.Scopes
	t.Scopes = broker.CommonScopes(requested, tokens.Scopes)
	if len(t.Scopes) == 0 || broker.PublicScopes(t.Scopes) == "" && broker.PublicScopes(requested) != "" {
		return "", f.deny(c, broker.Refusal{Code: broker.InvalidScope, Description: "the user pool granted none of the scopes"})
	}
	t.SetTokens(v.ring, tokens)
	mayConsent := c.admits(t.User)
	if mayConsent && v.consented(ctx, t, c) {
		code, err := v.issue(ctx, t)
		if err != nil {
			return "", f.deny(c, broker.Refusal{Code: dcr.Unavailable, Description: "the grant could not be stored", Cause: err})
		}
		f.recordDecision(ctx, t, telemetry.ConsentUsed, "remembered")
		return f.codeURL(t, code), nil
	}
	if prompts(t, "none") {
		if !mayConsent {
			return "", f.deny(c, broker.Refusal{Code: AccessDenied, Description: "this user may not use the client"})
		}
		return "", f.deny(c, broker.Refusal{Code: ConsentRequired})
	}
	t.Step = broker.StepSignedIn
	if err := f.config.Store.ReplaceTransaction(ctx, t); err != nil {
		return "", f.deny(c, broker.Refusal{Code: dcr.Unavailable, Description: "the sign-in could not be stored", Cause: err})
	}
	return "", nil
}

// takeStep takes a step of the transaction of this browser. A step can be taken
// once: a callback that arrives twice gets a Problem.
func (v *visit) takeStep(ctx context.Context, from, to broker.Step) (*broker.Transaction, error) {
	t, err := v.flow.config.Store.TakeStep(ctx, v.secret.key(), from, to)
	switch {
	case errors.Is(err, broker.ErrNotFound):
		return nil, expired("this sign-in has expired")
	case errors.Is(err, broker.ErrConflict):
		return nil, takenAlready(err)
	case err != nil:
		// If the step was not taken, the same request may succeed later. If it was,
		// that request learns so.
		return nil, unavailable("the sign-in could not be stored", err)
	}
	return t, nil
}

func takenAlready(cause error) *Problem {
	return &Problem{Kind: Expired, Detail: "this step of the sign-in was taken already", Cause: cause}
}

// Denied returns the Denial with this code if the callback of this browser
// ended with it, and otherwise a Problem. A page shows it after the callback,
// at an address without Cognito's code.
func (f *Flow) Denied(ctx context.Context, s Secret, code string) error {
	ended := expired("this sign-in has ended")
	if s.IsZero() || string(publicCode(code)) != code {
		return ended
	}
	t, err := f.config.Store.Transaction(ctx, s.key())
	switch {
	case errors.Is(err, broker.ErrNotFound):
		return ended
	case err != nil:
		return unavailable("the sign-in could not be read", err)
	// A transaction stays at this step after a denial at the callback. It is also
	// at this step while a callback runs, and after a Problem there, a crash or
	// a remembered consent, whose answer removes the cookie. Another site can then
	// open this page with a code of its choice. That does no harm: Denied stores
	// nothing, so a callback that runs continues, and the Denial goes to the client
	// of this browser's own request, with nothing that the client does not know.
	// At most the client ends its own attempt, and the user starts it again.
	case t.Step != broker.StepRedeeming:
		return ended
	}
	v, err := f.visitWithoutKeys(ctx, s)
	if err != nil {
		return err
	}
	c, err := v.clientOf(ctx, t)
	if err != nil {
		return err
	}
	return f.deny(c, broker.Refusal{Code: dcr.Code(code)})
}

// redeemRefusal is the error for the client if Cognito's code could not be
// redeemed.
func redeemRefusal(err error) broker.Refusal {
	if broker.UpstreamCode(err) != "" {
		return broker.Refusal{Code: ServerError, Description: "the sign-in could not be completed", Cause: err}
	}
	return broker.Refusal{Code: dcr.Unavailable, Description: "Cognito did not answer, try again", Cause: err}
}

// publicCode returns the error code for the client that stands for a code of
// Cognito (RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6). A code about the
// broker's own app client becomes server_error.
func publicCode(code string) dcr.Code {
	switch c := dcr.Code(code); c {
	case AccessDenied, dcr.InvalidRequest, broker.InvalidScope, ServerError, dcr.Unavailable,
		LoginRequired, InteractionRequired, ConsentRequired, AccountSelectionRequired:
		return c
	}
	return ServerError
}

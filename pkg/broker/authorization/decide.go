package authorization

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// Decision is the user's choice on the consent page. The zero Decision is
// unknown.
type Decision int

const (
	// Allow grants the client what it requests.
	Allow Decision = iota + 1
	// Cancel refuses it.
	Cancel
	// SwitchAccount is for a user who wants to sign in with another account.
	SwitchAccount
)

// Outcome says where the browser goes after a decision. It prints as
// "[redacted]".
type Outcome struct {
	credential.Redacted
	// Lang is the language that the client requested; it may be empty.
	Lang string
	// URL is the client's redirect URI with a code or an error. After
	// SwitchAccount it is Cognito's address for signing out.
	URL string
	// Redirect is the redirect URI of URL. It is the zero value after
	// SwitchAccount.
	Redirect dcr.RedirectURI
	// Next is the secret of the new transaction after SwitchAccount.
	Next Secret
	// Ended reports that the transaction is over, so that the browser can forget
	// its secret. It may be set together with an error.
	Ended bool
}

// Decide carries out the user's decision. csrf is Question.CSRF as the form
// sent it.
//
// A Denial from Decide may always be sent to the client, because the user has
// seen the client's address. A Problem of the kind Undecided is only for the
// log: the consent page shows the current step of the transaction.
func (f *Flow) Decide(ctx context.Context, s Secret, d Decision, csrf string) (Outcome, error) {
	v, err := f.visit(ctx, s)
	if err != nil {
		return Outcome{}, err
	}
	if err := s.missing(); err != nil {
		return Outcome{}, err
	}
	// The Origin header is not compared in addition: the pages have the policy
	// no-referrer, and browsers then send the origin null.
	if !s.matches(csrf, s.csrf()) {
		return Outcome{}, expired("the form is not of this transaction")
	}
	switch d {
	case Allow:
		return v.allow(ctx)
	case Cancel:
		return v.cancel(ctx)
	case SwitchAccount:
		return v.switchAccount(ctx)
	}
	return Outcome{}, &Problem{Kind: BadRequest, Detail: "decision must be allow, cancel or switch"}
}

// allow issues a code. A second allow, as from a double click, gets the same
// code.
func (v *visit) allow(ctx context.Context) (Outcome, error) {
	w, err := v.waiting(ctx)
	if err == nil {
		w.t, err = v.decide(ctx, broker.StepAllowed)
	}
	if errors.Is(err, broker.ErrConflict) {
		return v.allowedBefore(ctx)
	}
	if err != nil {
		return Outcome{}, undecided(err)
	}
	return v.grant(ctx, w)
}

// grant gives the client what the user has allowed. It can be repeated.
func (v *visit) grant(ctx context.Context, w waiting) (Outcome, error) {
	f, t, c := v.flow, w.t, w.client
	if w.refused == nil && !c.admits(t.User) {
		w.refused = c.notAdmitted(t.User)
	}
	if w.refused != nil {
		v.endTransaction(ctx, t)
		return Outcome{}, inLanguage(w.refused, t.Lang)
	}
	code, err := v.issue(ctx, t)
	if errors.Is(err, errGrantUnknown) {
		return Outcome{}, undecided(err) // the user can repeat the decision
	}
	if errors.Is(err, errGrantEnded) {
		return Outcome{}, decidedAlready()
	}
	if err != nil {
		v.endTransaction(ctx, t)
		return Outcome{}, inLanguage(f.deny(c, broker.Refusal{Code: dcr.Unavailable, Description: "the grant could not be stored", Cause: err}), t.Lang)
	}
	f.recordDecision(ctx, t, telemetry.ConsentGiven, "allow")
	if c.remembers() {
		v.remember(ctx, t)
	}
	return Outcome{Lang: t.Lang, URL: f.codeURL(t, code), Redirect: c.redirect}, nil
}

// waiting is a transaction that waits for the user's decision. refused is why its
// client cannot be used any more; client is empty then.
type waiting struct {
	t       *broker.Transaction
	client  client
	refused error
}

// waiting reads what a decision needs before its step is taken. The step is taken
// once, so the user could not repeat a decision that failed after it.
func (v *visit) waiting(ctx context.Context) (waiting, error) {
	t, err := v.toDecide(ctx)
	if err != nil {
		return waiting{}, err
	}
	return v.withClient(ctx, t)
}

// withClient adds the client to a transaction.
func (v *visit) withClient(ctx context.Context, t *broker.Transaction) (waiting, error) {
	c, err := v.clientOf(ctx, t)
	if repeatable(err) {
		return waiting{}, err
	}
	return waiting{t, c, err}, nil
}

// toDecide reads the transaction. It returns ErrConflict unless the transaction
// waits for the user's decision.
func (v *visit) toDecide(ctx context.Context) (*broker.Transaction, error) {
	t, err := v.flow.config.Store.Transaction(ctx, v.secret.key())
	if err == nil && t.Step != broker.StepSignedIn {
		err = broker.ErrConflict
	}
	return t, err
}

// decide takes the step of the decision.
func (v *visit) decide(ctx context.Context, to broker.Step) (*broker.Transaction, error) {
	return v.flow.config.Store.TakeStep(ctx, v.secret.key(), broker.StepSignedIn, to)
}

// allowedBefore answers an allow after another request took the step. That
// request may not have stored its grant yet. If it does not store one, its process
// has died, or it never learned that it took the step; this request then stores the
// grant.
func (v *visit) allowedBefore(ctx context.Context) (Outcome, error) {
	f := v.flow
	var t *broker.Transaction
	for range outcomeTries {
		var err error
		if t, err = f.config.Store.Transaction(ctx, v.secret.key()); err != nil {
			return Outcome{}, undecided(err)
		}
		if t.Step != broker.StepAllowed {
			return Outcome{}, decidedAlready()
		}
		code, g, err := v.issued(ctx, t)
		if err != nil {
			return Outcome{}, undecided(err)
		}
		if g != nil {
			return v.outcomeOfGrant(t, g, code)
		}
		// If ctx ends, the next read of the store returns its error.
		_ = f.config.Pause(ctx, outcomeWait)
	}
	w, err := v.withClient(ctx, t)
	if err != nil {
		return Outcome{}, undecided(err)
	}
	return v.grant(ctx, w)
}

// outcomeOfGrant returns the outcome of an allow whose grant exists, as long as the
// client can redeem the code.
func (v *visit) outcomeOfGrant(t *broker.Transaction, g *broker.Grant, code credential.Token) (Outcome, error) {
	if !v.flow.redeemable(g) {
		return Outcome{}, decidedAlready()
	}
	u, err := storedRedirect(t)
	if err != nil {
		return Outcome{}, undecided(err)
	}
	return Outcome{Lang: t.Lang, URL: v.flow.codeURL(t, code), Redirect: u}, nil
}

// undecided is the Problem of a decision if its step was not taken, or if the
// broker does not know whether it was taken.
func undecided(err error) *Problem {
	switch {
	case errors.Is(err, broker.ErrNotFound):
		return expired("this sign-in has expired")
	case errors.Is(err, broker.ErrConflict):
		return decidedAlready()
	}
	if p, ok := errors.AsType[*Problem](err); ok && p.Kind == NotReady {
		return p
	}
	return &Problem{Kind: Undecided, Detail: "the decision could not be stored", Cause: err}
}

// refuse takes the step of a decision about t that is no consent. It deletes a
// remembered consent first: if that fails, the step is not taken, and the user can
// decide again. The other order could leave a consent that the user has withdrawn.
func (v *visit) refuse(ctx context.Context, t *broker.Transaction) (*broker.Transaction, error) {
	if err := v.flow.config.Store.DeleteConsent(ctx, v.consentKey(t)); err != nil {
		return nil, fmt.Errorf("delete the consent: %w", err)
	}
	return v.decide(ctx, broker.StepRefused)
}

// cancel ends the transaction and the sign-in at Cognito. RFC 6749 §4.1.2.1: the
// client gets access_denied.
func (v *visit) cancel(ctx context.Context) (Outcome, error) {
	f := v.flow
	w, err := v.waiting(ctx)
	if err == nil {
		w.t, err = v.refuse(ctx, w.t)
	}
	if err != nil {
		return Outcome{}, undecided(err)
	}
	t := w.t
	f.recordDecision(ctx, t, telemetry.ConsentRefused, "cancel")
	v.endTransaction(ctx, t)
	if w.refused != nil {
		return Outcome{Ended: true}, inLanguage(w.refused, t.Lang)
	}
	denied := url.Values{"error": {string(AccessDenied)}, "error_description": {"the user denied the request"}}
	return Outcome{Lang: t.Lang, URL: respond(t.RedirectURI, f.config.Issuer, t.State, denied), Redirect: w.client.redirect, Ended: true}, nil
}

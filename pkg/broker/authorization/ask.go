package authorization

import (
	"context"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// Question is what the consent page asks the user. It prints as "[redacted]".
type Question struct {
	credential.Redacted
	// Lang is the language that the client requested; it may be empty.
	Lang string
	// ClientURL is set if the user has already allowed the client and the code
	// is unused: the redirect URI with the code. The page then has no question,
	// and the other fields except Lang and Redirect are empty.
	ClientURL string
	// Redirect is the redirect URI of this request. Forwards reports whether its
	// server hands the response on to a program on the user's device.
	Redirect dcr.RedirectURI
	Forwards bool

	// User has signed in.
	User broker.User
	// Client is the client's own metadata. It is not verified.
	Client dcr.ClientMetadata
	// Scopes are the scopes to grant, and Resource is the protected resource of
	// the grant.
	Scopes   []string
	Resource broker.Resource
	// RememberedDays is how many days the consent will be stored; 0 if it is not
	// stored.
	RememberedDays int
	// Transaction, the ID of the secret, and CSRF must come back with the decision.
	Transaction string
	CSRF        string
}

// Ask returns the question for the user of a transaction. It changes nothing,
// so the browser can load the page again.
func (f *Flow) Ask(ctx context.Context, s Secret) (Question, error) {
	v, err := f.visit(ctx, s)
	if err != nil {
		return Question{}, err
	}
	t, err := f.transaction(ctx, s)
	if err != nil {
		return Question{}, err
	}
	q, err := v.ask(ctx, t)
	if err != nil {
		return Question{}, inLanguage(err, t.Lang)
	}
	return q, nil
}

func (v *visit) ask(ctx context.Context, t *broker.Transaction) (Question, error) {
	switch t.Step {
	case broker.StepAllowed:
		if q, found, err := v.outcome(ctx, t); found || err != nil {
			return q, err
		}
		// The process that should store the grant has died, or it is at work. The
		// user can allow again.
	case broker.StepRefused:
		return Question{}, decidedAlready()
	case broker.StepSignedIn:
	default:
		return Question{}, expired("nobody has signed in here")
	}
	c, err := v.clientOf(ctx, t)
	if err != nil {
		return Question{}, err
	}
	if !c.admits(t.User) {
		p := c.notAdmitted(t.User)
		p.User, p.Transaction, p.CSRF = t.User, v.secret.ID(), credential.Presented(v.secret.csrf())
		return Question{}, p
	}
	days := 0
	if c.remembers() {
		days = rememberedDays
	}
	return Question{
		Lang:           t.Lang,
		User:           t.User,
		Client:         c.reg.Metadata,
		Redirect:       c.redirect,
		Forwards:       c.forwards,
		Scopes:         t.Scopes,
		Resource:       c.resource,
		RememberedDays: days,
		Transaction:    v.secret.ID(),
		CSRF:           v.secret.csrf(),
	}, nil
}

// outcome returns the code of an allowed transaction if the code is unused, and
// whether there is a grant.
func (v *visit) outcome(ctx context.Context, t *broker.Transaction) (Question, bool, error) {
	code, g, err := v.issued(ctx, t)
	if err != nil {
		return Question{}, false, unavailable("the decision could not be read", err)
	}
	if g == nil {
		return Question{}, false, nil
	}
	o, err := v.outcomeOfGrant(t, g, code)
	return Question{Lang: o.Lang, ClientURL: o.URL, Redirect: o.Redirect}, true, err
}

func decidedAlready() *Problem { return expired("this was decided already") }

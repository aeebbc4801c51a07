package simulation

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/authorization"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/token"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	kit "github.com/dcr-broker/dcr-broker/test/world"
)

// attempt is a sign-in of a user at Cognito.
type attempt struct {
	app string // id of the app client
	// faulty means that a fault happened in one of its requests.
	faulty bool
	// left means that its refresh token may be left at Cognito without a grant: the
	// process died before it stored the token, or neither the revocation nor the
	// store succeeded.
	left bool
	// waits means that the janitor has to revoke it: the user has not decided, the
	// process died later, or the revocation failed.
	waits bool
}

// do runs a request of a's browser. An error fails the test unless a fault happened
// in this or a former request, or there is no app client for the request.
func (w *world) do(a *attempt, what string, f func(context.Context) error) error {
	w.warnings.Reset()
	losses := w.lossCount()
	faulty, err := w.request(f)
	a.faulty = a.faulty || faulty
	died := w.lossCount() > losses
	a.left = a.left || died && what == "SignedIn" || strings.Contains(w.warnings.String(), "refresh token not revoked")
	a.waits = a.waits || died || strings.Contains(w.warnings.String(), "left to the janitor")
	if err == nil || a.faulty || a.app != "" && !w.exists(a.app) {
		return err
	}
	p, ok := errors.AsType[*authorization.Problem](err)
	if !ok || p.Kind != authorization.Busy && p.Kind != authorization.Full {
		w.t.Errorf("%s: %s without a fault: %v", w.now(), what, err)
	}
	return err
}

// exists reports whether Cognito has the app client.
func (w *world) exists(app string) bool {
	_, ok := w.cognito.Secret(app)
	return ok
}

// signIn lets the user of m sign in and allow m, which then redeems its code.
func (w *world) signIn(m *member, r *broker.Registration) {
	a := new(attempt)
	var started authorization.Started
	err := w.do(a, "Begin", func(ctx context.Context) (err error) {
		started, err = w.flow.Begin(ctx, authorization.Request{
			ClientID: m.id, RedirectURI: m.redirect, ResponseType: "code", State: "state", Scope: "mcp/read",
			Challenge: broker.PKCEChallenge(kit.Verifier), ChallengeMethod: "S256",
		})
		return err
	})
	if err != nil {
		return // the user gives up
	}
	code, state, origin, err := w.oauth.SignIn(started.SignInURL, m.user)
	if err != nil {
		w.t.Fatal(err)
	}
	u, err := url.Parse(started.SignInURL)
	if err != nil {
		w.t.Fatal(err)
	}
	a.app = u.Query().Get("client_id")
	w.signIns[origin] = a
	var to string
	err = w.do(a, "SignedIn", func(ctx context.Context) (err error) {
		to, err = w.flow.SignedIn(ctx, started.Secret, authorization.Callback{Code: code, State: state})
		return err
	})
	if err == nil && to == "" {
		to = w.decide(a, started.Secret)
	}
	if err != nil || to == "" {
		return
	}
	if u, err = url.Parse(to); err != nil {
		w.t.Fatal(err)
	}
	if code = u.Query().Get("code"); code != "" {
		w.count.signedIn++
		w.redeem(m, a, r.Generation, code)
	}
}

// decide answers the consent page. It returns the client's redirect URI with the
// answer, or "" if there is none.
func (w *world) decide(a *attempt, s authorization.Secret) string {
	for range 3 { // the user loads the page again
		var q authorization.Question
		err := w.do(a, "Ask", func(ctx context.Context) (err error) {
			q, err = w.flow.Ask(ctx, s)
			return err
		})
		if err != nil {
			time.Sleep(time.Second)
			continue
		}
		if q.ClientURL != "" {
			return q.ClientURL
		}
		decision := authorization.Allow
		if w.chance(0.05) {
			decision = authorization.Cancel
		}
		var o authorization.Outcome
		press := func(ctx context.Context) (err error) {
			o, err = w.flow.Decide(ctx, s, decision, q.CSRF)
			return err
		}
		err = w.do(a, "Decide", press)
		if p, ok := errors.AsType[*authorization.Problem](err); ok && p.Kind == authorization.Undecided {
			continue
		}
		if err != nil {
			return ""
		}
		first := o.URL
		if decision == authorization.Allow && w.chance(0.1) { // a double click
			if w.do(a, "the second Decide", press) == nil && o.URL != first {
				w.t.Errorf("%s: the second decision leads to %s, the first to %s", w.now(), o.URL, first)
			}
		}
		return first
	}
	a.waits = true // the user gives up
	return ""
}

// redeem sends the code of a sign-in to the token endpoint.
func (w *world) redeem(m *member, a *attempt, generation, code string) {
	id, err := credential.GrantID(credential.Presented(code))
	if err != nil {
		w.t.Fatal(err)
	}
	s := &session{member: m, grant: id, generation: generation, app: a.app, expires: broker.Seconds(w.now()).Add(lifetime)}
	w.sessions[id] = s
	r := token.Request{
		Client: clients.Credentials{ID: m.id}, GrantType: dcr.GrantAuthorizationCode, Code: code, RedirectURI: m.redirect, Verifier: kit.Verifier,
	}
	response, unanswered, err := w.ask(s, r)
	switch {
	case err == nil:
		s.token, s.access, m.session = response.RefreshToken, response.AccessToken, s
		w.works(s)
		if w.chance(0.03) {
			w.redeemAgain(s, r)
		}
	case unanswered:
		s.ending = true // a code that is used twice ends the grant
	default:
		w.t.Errorf("%s: the code of client %s is refused: %v", w.now(), m.id, err)
	}
}

// redeemAgain repeats the request with which s began. It must end the grant.
func (w *world) redeemAgain(s *session, r token.Request) {
	s.ending = true
	_, _, err := w.ask(s, r)
	if refused(err) {
		s.ended = true
		w.inactive(s)
		return
	}
	if !w.unavailable(err) {
		w.t.Errorf("%s: the code of client %s, used again: %v", w.now(), s.id, err)
	}
}

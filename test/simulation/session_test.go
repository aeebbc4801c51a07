package simulation

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/grants"
	"github.com/dcr-broker/dcr-broker/pkg/broker/token"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// lifetime is how long a grant lasts.
const lifetime = fake.OAuthLifetime

// session is a grant as the client knows it.
type session struct {
	*member
	grant      string // id
	generation string // of the registration
	app        string // id of the app client at Cognito
	token      string // refresh token
	access     string // access token
	expires    time.Time
	// unanswered is when the client first used token without an answer; zero if it
	// has not.
	unanswered time.Time
	// ending means that somebody may have ended the grant, and ended that somebody
	// has.
	ending, ended bool
	// replay means that the broker has used token up, and that the reuse window is
	// over before the client uses it again.
	replay bool
}

// ask sends a token request of s, and again soon if there is no answer. The
// result says whether one of these requests got no answer.
func (w *world) ask(s *session, r token.Request) (a *token.Response, unanswered bool, err error) {
	for range 3 {
		var faulty bool
		faulty, err = w.request(func(ctx context.Context) (err error) {
			a, err = w.issuer.Token(ctx, r)
			return err
		})
		if err == nil && !faulty {
			s.recorded = broker.Seconds(w.now())
		}
		if !w.unavailable(err) {
			return a, unanswered, err
		}
		if !faulty && w.exists(s.app) {
			w.t.Errorf("%s: no tokens for client %s without a fault: %v", w.now(), s.id, err)
		}
		unanswered = true
		time.Sleep(time.Second)
	}
	return nil, true, err
}

func (w *world) unavailable(err error) bool { return codeOf(err) == dcr.Unavailable }

// refused reports whether err says that a code or refresh token is not valid.
func refused(err error) bool { return codeOf(err) == broker.InvalidGrant }

func codeOf(err error) dcr.Code {
	if e, ok := errors.AsType[*dcr.Error](err); ok {
		return e.Code
	}
	return ""
}

func refreshRequest(s *session) token.Request {
	return token.Request{Client: clients.Credentials{ID: s.id}, GrantType: dcr.GrantRefreshToken, RefreshToken: credential.Presented(s.token)}
}

// refresh uses the refresh token of s.
func (w *world) refresh(s *session) {
	now := w.now()
	a, _, err := w.ask(s, refreshRequest(s))
	if err == nil && w.chance(0.02) { // the answer is lost on its way
		if w.chance(0.2) {
			s.unanswered, s.replay = now, true
			return
		}
		a, _, err = w.ask(s, refreshRequest(s))
	}
	switch {
	case err == nil:
		w.count.refreshed++
		s.token, s.access, s.unanswered = a.RefreshToken, a.AccessToken, time.Time{}
		w.works(s)
	case w.unavailable(err):
		if s.unanswered.IsZero() {
			s.unanswered = now
		}
	case refused(err):
		w.count.ended++
		s.session = nil
		if !w.mayBeRefused(s, now) {
			w.t.Errorf("%s: the refresh token of client %s is refused: %v", w.now(), s.id, err)
		}
		w.inactive(s)
	case (codeOf(err) == broker.InvalidClient || codeOf(err) == broker.UnauthorizedClient) && w.registration(s.member) == nil:
		w.inactive(s)
	default:
		w.t.Errorf("%s: refresh of client %s: %v", w.now(), s.id, err)
	}
}

// mayBeRefused reports whether there is a reason to refuse the refresh token of s
// at that time.
func (w *world) mayBeRefused(s *session, now time.Time) bool {
	// After the reuse window a refresh token whose answer was lost counts as
	// replayed.
	late := !s.unanswered.IsZero() && now.Sub(s.unanswered) >= broker.ReuseWindow-time.Second
	if late || s.ending || !now.Before(s.expires.Add(-time.Second)) || !w.exists(s.app) {
		return true
	}
	r := w.registration(s.member)
	return r == nil || r.Generation != s.generation
}

// works checks that s may have the tokens that it just got, and that its grant is
// stored with the tokens of Cognito, which work.
func (w *world) works(s *session) {
	if s.ended || s.replay || w.now().After(s.expires) {
		w.t.Errorf("%s: client %s got tokens: the grant %s has ended %t, replay %t, expires %s", w.now(), s.id, s.grant, s.ended, s.replay, s.expires)
	}
	if !w.chance(0.2) {
		return
	}
	if r := w.registration(s.member); r == nil || r.Generation != s.generation {
		w.t.Errorf("%s: client %s got tokens of the generation %s, its registration is %+v", w.now(), s.id, s.generation, r)
	}
	ctx := w.t.Context()
	g, err := w.inner.Grant(ctx, s.grant)
	if err != nil || !g.EndedAt.IsZero() || !slices.Contains(g.Live, credential.Presented(s.token).Hash()) {
		w.t.Errorf("%s: grant %s = %+v, %v, want it with the refresh token of client %s", w.now(), s.grant, g, err, s.id)
		return
	}
	if t := w.tokensOf(g); !w.oauth.Usable(t.RefreshToken) {
		w.t.Errorf("%s: Cognito refuses the refresh token of the grant %s", w.now(), g.ID)
	}
	if active, err := w.introspect(s); err == nil && !active {
		w.t.Errorf("%s: the access token of client %s is not active", w.now(), s.id)
	}
}

// tokensOf returns Cognito's tokens of g, which must be stored and open.
func (w *world) tokensOf(g *broker.Grant) broker.Tokens {
	stored, err := w.inner.Tokens(w.t.Context(), g.TokensID)
	var t broker.Tokens
	if err == nil {
		t, err = grants.Open(w.keys, g.ID, stored)
	}
	if err != nil {
		w.t.Errorf("%s: tokens of grant %s: %v", w.now(), g.ID, err)
	}
	return t
}

// inactive checks that the last access token of s is not active any more.
func (w *world) inactive(s *session) {
	if active, err := w.introspect(s); err == nil && active {
		w.t.Errorf("%s: the access token of client %s is active, its grant %s has ended", w.now(), s.id, s.grant)
	}
}

// introspect asks whether the last access token of s is active.
func (w *world) introspect(s *session) (active bool, err error) {
	err = w.try(func(ctx context.Context) error {
		a, err := w.issuer.Introspect(ctx, token.IntrospectionRequest{
			Client: clients.Credentials{ID: "mcp", Secret: resourceSecret}, Token: s.access,
		})
		active = a.Active
		return err
	})
	return active, err
}

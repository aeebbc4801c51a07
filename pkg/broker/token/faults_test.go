package token_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/token"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
	kit "github.com/dcr-broker/dcr-broker/test/world"
)

// Each effect of a request with a code or refresh token fails once, in both
// ways. The request succeeds or can be repeated. Then the refresh token in the
// response is one of the stored grant's, and works, and Cognito's refresh token
// that is stored is the newest.
func TestAfterEachFault(t *testing.T) {
	requests := map[string]func(*world, *token.Issuer, clients.Credentials) token.Request{
		"code, with an old access token": oldCode,
		"refresh": func(w *world, i *token.Issuer, c clients.Credentials) token.Request {
			_, code := w.grant(c)
			return refreshRequest(c, w.ask(i, codeRequest(c, code)).RefreshToken)
		},
	}
	effects := map[bool][]string{ // by whether Cognito rotates its refresh tokens
		false: {"Grant", "Tokens", "refresh at Cognito", "ReplaceGrant"},
		true:  {"Grant", "Tokens", "refresh at Cognito", "ReplaceTokens", "ReplaceGrant"},
	}
	for name, request := range requests {
		for rotates, effects := range effects {
			for _, effect := range effects {
				for _, applied := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s, Cognito rotates %t/%s, applied %t", name, rotates, effect, applied), func(t *testing.T) {
						w := newWorld(t)
						w.rotates = rotates
						i, c := w.issuer(), w.client(dcr.GrantAuthorizationCode, dcr.GrantRefreshToken)
						r := request(w, i, c)
						w.failOnce(effect, applied)
						w.effects = nil
						a, err := i.Token(t.Context(), r)
						if err != nil {
							kit.WantCode(t, "Token", err, dcr.Unavailable)
							a = w.ask(i, r)
						}
						if !slices.Contains(w.effects, effect) {
							t.Errorf("effects %q, want %s among them", w.effects, effect)
						}
						w.wantUsable(i, c, a)
					})
				}
			}
		}
	}
}

// oldCode returns a request with a valid code whose access token is old.
func oldCode(w *world, _ *token.Issuer, c clients.Credentials) token.Request {
	w.T.Helper()
	w.Clock.Advance(-40 * time.Minute)
	g, code := w.grant(c)
	w.Clock.Advance(40 * time.Minute)
	stored, err := w.Inner.Tokens(w.T.Context(), g.TokensID)
	if err != nil {
		w.T.Fatal(err)
	}
	stored.Code.ExpiresAt = w.Clock.Now().Add(broker.CodeLifetime)
	if err := w.Inner.ReplaceTokens(w.T.Context(), stored); err != nil {
		w.T.Fatal(err)
	}
	return codeRequest(c, code)
}

// failOnce makes the next effect of this name fail.
func (w *world) failOnce(effect string, applied bool) {
	w.fault = func(e string) (bool, error) {
		if e != effect {
			return false, nil
		}
		w.fault = nil
		if e == "refresh at Cognito" {
			return applied, &broker.UpstreamError{RetryAfter: 7 * time.Second, Cause: fake.ErrInjected}
		}
		return applied, fake.ErrInjected
	}
}

// wantUsable checks that the refresh token of a response is one of the stored
// grant's and works, and that Cognito's newest refresh token is stored.
func (w *world) wantUsable(i *token.Issuer, c clients.Credentials, a *token.Response) {
	w.T.Helper()
	next := credential.Presented(a.RefreshToken)
	id, err := credential.GrantID(next)
	if err != nil {
		w.T.Fatal(err)
	}
	g := w.Grant(id)
	if !slices.Contains(g.Live, next.Hash()) || !g.EndedAt.IsZero() || !g.CodeUsed {
		w.T.Errorf("stored grant %+v; want a valid grant with its code used and the refresh token of the response", g)
	}
	newest := w.issued[len(w.issued)-1]
	if got := w.Tokens(g).RefreshToken; got != newest {
		w.T.Errorf("Cognito's refresh token %q is stored, want %q, the newest", got, newest)
	}
	w.retireAllBut(newest)
	w.ask(i, refreshRequest(c, a.RefreshToken))
}

// Two requests use the same refresh token, and Cognito rotates its own. The other
// request runs just before one effect of this request. Both clients get tokens,
// and Cognito accepts the refresh token that is stored, even if it gave the old
// one no grace period.
func TestTwoRefreshesAtOnce(t *testing.T) {
	for _, effect := range []string{"Tokens", "refresh at Cognito", "ReplaceTokens", "ReplaceGrant"} {
		for _, grace := range []bool{true, false} {
			if effect == "ReplaceTokens" && !grace {
				continue // the other request cannot refresh at Cognito any more
			}
			t.Run(fmt.Sprintf("%s, grace period %t", effect, grace), func(t *testing.T) {
				w := newWorld(t)
				w.rotates = true
				i, c := w.issuer(), w.client(dcr.GrantAuthorizationCode, dcr.GrantRefreshToken)
				g, code := w.grant(c)
				r := refreshRequest(c, w.ask(i, codeRequest(c, code)).RefreshToken)
				var other *token.Response
				w.fault = func(e string) (bool, error) {
					if e == effect {
						w.fault = nil
						other = w.ask(i, r)
						if !grace {
							w.retireAllBut(w.issued[len(w.issued)-1])
						}
					}
					return false, nil
				}
				a := w.ask(i, r)
				stored := w.Tokens(w.Grant(g.ID)).RefreshToken
				if stored == w.issued[0] {
					t.Errorf("the refresh token from the sign-in is still stored, Cognito has issued %q", w.issued)
				}
				w.retireAllBut(stored)
				for name, a := range map[string]*token.Response{"this": a, "the other": other} {
					if live := w.Grant(g.ID).Live; !slices.Contains(live, credential.Presented(a.RefreshToken).Hash()) {
						t.Errorf("the refresh token of %s request is not stored", name)
					}
				}
				w.ask(i, refreshRequest(c, other.RefreshToken))
			})
		}
	}
}

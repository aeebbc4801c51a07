package token_test

import (
	"errors"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// wantForgotten checks that a grant whose tokens were deleted by hand has ended,
// with nothing left to do, and that its consent is deleted.
func (s *stack) wantForgotten(g *broker.Grant) {
	s.T.Helper()
	if stored := s.Grant(g.ID); stored.EndedAt.IsZero() || stored.Unfinished() || len(stored.Live) != 0 {
		s.T.Errorf("grant %+v, want it ended completely", stored)
	}
	if _, err := s.Inner.Consent(s.T.Context(), g.ConsentKey); !errors.Is(err, broker.ErrNotFound) {
		s.T.Errorf("the remembered consent: %v, want it deleted", err)
	}
}

// wantUnchanged checks that nobody has changed g or its consent.
func (s *stack) wantUnchanged(g *broker.Grant) {
	s.T.Helper()
	if stored := s.Grant(g.ID); stored.Version != g.Version {
		s.T.Errorf("grant %+v, want it unchanged", stored)
	}
	if _, err := s.Inner.Consent(s.T.Context(), g.ConsentKey); g.User.Sub != "" && err != nil {
		s.T.Errorf("the remembered consent: %v, want it stored", err)
	}
}

// deleteTokens deletes the tokens of g by hand.
func (s *stack) deleteTokens(g *broker.Grant) {
	s.T.Helper()
	if err := s.Inner.DeleteTokens(s.T.Context(), g.TokensID, 1); err != nil {
		s.T.Fatal(err)
	}
}

// Without the tokens nobody knows whether the code is the right one.
func TestCodeOfAGrantWithoutTokensChangesNothing(t *testing.T) {
	for name, used := range map[string]bool{"unused": false, "used": true} {
		t.Run(name, func(t *testing.T) {
			s := newStack(t)
			c := s.public()
			g, code := s.code(c)
			if used {
				s.as(c, "/token", codeForm(code)).want(200, "")
				g = s.Grant(g.ID)
			}
			s.deleteTokens(g)
			for range 2 {
				s.as(c, "/token", codeForm(code)).want(400, "invalid_grant")
				s.wantUnchanged(g)
			}
		})
	}
}

func TestRefreshTokenOfAGrantWithoutTokensEndsTheGrant(t *testing.T) {
	s := newStack(t)
	c := s.public()
	g, first := s.authorized(c)
	s.wantActive(first.text("access_token"), true)
	s.deleteTokens(g)
	for range 2 {
		s.as(c, "/token", refreshForm(first.text("refresh_token"))).want(400, "invalid_grant")
		s.wantForgotten(g)
	}
	s.wantActive(first.text("access_token"), false)
}

// Each effect of this end fails once, in both ways.
func TestGrantWithoutTokensEndsAfterEachFault(t *testing.T) {
	for _, effect := range []struct {
		method string
		n      int
	}{{"Tokens", 1}, {"DeleteConsent", 1}, {"ReplaceGrant", 1}, {"Tokens", 2}, {"ReplaceGrant", 2}} {
		for _, p := range points {
			t.Run(fake.Call{Method: effect.method, N: effect.n}.String()+" "+p.String(), func(t *testing.T) {
				s := newStack(t)
				c := s.public()
				g, first := s.authorized(c)
				s.deleteTokens(g)
				s.Store.Reset()
				s.Store.FailCall(effect.method, effect.n, p)
				a := s.as(c, "/token", refreshForm(first.text("refresh_token")))
				if s.Store.Calls(effect.method) < effect.n {
					t.Errorf("%s was called %d times, want %d", effect.method, s.Store.Calls(effect.method), effect.n)
				}
				if a.status == 503 {
					a = s.as(c, "/token", refreshForm(first.text("refresh_token")))
				}
				a.want(400, "invalid_grant")
				s.as(c, "/token", refreshForm(first.text("refresh_token"))).want(400, "invalid_grant")
				s.wantForgotten(g)
			})
		}
	}
}

// Another request ends the grant after this one has read the head.
func TestTokensThatVanishBecauseTheGrantEnds(t *testing.T) {
	for _, kind := range []string{"code", "refresh token"} {
		t.Run(kind, func(t *testing.T) {
			s := newStack(t)
			c := s.public()
			g, code := s.code(c)
			form := codeForm(code)
			access := ""
			if kind != "code" {
				first := s.as(c, "/token", form).want(200, "")
				form, access = refreshForm(first.text("refresh_token")), first.text("access_token")
			}
			ended := false
			s.Store.Before("Tokens", func() error {
				ended = true
				return s.Ender(s.Inner, s.up).EndByID(t.Context(), g.ID)
			})
			s.as(c, "/token", form).want(400, "invalid_grant")
			if !ended {
				t.Error("the request did not read the tokens")
			}
			s.wantEnded(g.ID)
			if access != "" {
				s.wantActive(access, false)
			}
		})
	}
}

// The id of the grant of a client to itself is no secret of the client's users. A
// code or refresh token that was made up from it ends nothing.
func TestForgedTokensDoNotEndTheGrantOfAClientToItself(t *testing.T) {
	s := newStack(t)
	own := s.register(dcr.AuthSecretBasic, func(r *broker.Registration) {
		r.Profile, r.Metadata.GrantTypes = "trusted", append(r.Metadata.GrantTypes, dcr.GrantClientCredentials)
	})
	access := s.as(own, "/token", "grant_type=client_credentials&resource="+notes).want(200, "").text("access_token")
	g := s.AllGrants()[0]
	if g.TokensID != "" || g.User.Sub != "" {
		t.Fatalf("grant %+v, want one without user and tokens", g)
	}
	for name, c := range map[string]client{"the client itself": own, "another client": s.public()} {
		for _, form := range []string{
			codeForm(credential.DerivedAuthorizationCode("secret", g.ID).Reveal()),
			refreshForm(credential.NewRefreshToken(g.ID, fake.Ring(t)).Reveal()),
		} {
			s.as(c, "/token", form).want(400, "invalid_grant")
			s.wantUnchanged(g)
			if t.Failed() {
				t.Fatalf("after %s of %s", form[:40], name)
			}
		}
		s.as(c, "/revoke", "token="+credential.NewRefreshToken(g.ID, fake.Ring(t)).Reveal()).want(200, "")
		s.wantUnchanged(g)
	}
	s.wantActive(access, true)
}

package token_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

func TestRevokeEndsTheGrant(t *testing.T) {
	tests := []struct {
		name  string
		token func(s *stack, c client, first answer) string
	}{
		{"refresh token", func(_ *stack, _ client, first answer) string { return first.text("refresh_token") }},
		{"refresh token just used", func(s *stack, c client, first answer) string {
			s.refreshed(c, first.text("refresh_token"))
			return first.text("refresh_token")
		}},
		{"refresh token used long ago", func(s *stack, c client, first answer) string {
			s.refreshed(c, s.refreshed(c, first.text("refresh_token")))
			s.Clock.Advance(time.Hour)
			return first.text("refresh_token")
		}},
		{"access token", func(_ *stack, _ client, first answer) string { return first.text("access_token") }},
	}
	for _, tt := range tests {
		for _, hint := range []string{"", "&token_type_hint=access_token", "&token_type_hint=refresh_token", "&token_type_hint=x"} {
			t.Run(tt.name+hint, func(t *testing.T) {
				s := newStack(t)
				c := s.register(dcr.AuthSecretPost)
				g, first := s.authorized(c)
				form := "token=" + tt.token(s, c, first) + hint
				if a := s.as(c, "/revoke", form).want(200, ""); strings.TrimSpace(a.raw) != "{}" {
					t.Errorf("got %s, want {}", a.raw)
				}
				s.wantEnded(g.ID)
				s.as(c, "/token", refreshForm(first.text("refresh_token"))).want(400, "invalid_grant")
				s.wantActive(first.text("access_token"), false)
				s.as(c, "/revoke", form).want(200, "") // again
			})
		}
	}
}

func TestRevokeRefusals(t *testing.T) {
	s := newStack(t)
	c, other, machine := s.register(dcr.AuthSecretBasic), s.public(), s.machine()
	up := s.signIn()
	g, code := s.allow(c, up)
	first := s.as(c, "/token", codeForm(code)).want(200, "")
	machineToken := s.as(machine, "/token", machineForm).want(200, "").text("access_token")
	right := basic(c.ClientID, c.secret)
	tests := []struct {
		name, authorization, form string
		status                    int
		code                      string
	}{
		{"no client", "", "token=" + first.text("refresh_token"), 401, "invalid_client"},
		{"wrong secret", basic(c.ClientID, "x"), "token=" + first.text("refresh_token"), 401, "invalid_client"},
		{"no token", right, "x=1", 400, "invalid_request"},
		{"refresh token of another client", "", "token=" + first.text("refresh_token") + "&client_id=" + other.ClientID, 400, "invalid_grant"},
		{"access token of another client", "", "token=" + first.text("access_token") + "&client_id=" + other.ClientID, 400, "invalid_grant"},
		{"access token of client_credentials", basic(machine.ClientID, machine.secret), "token=" + machineToken, 400, "unsupported_token_type"},

		// A token that is not valid needs no revocation (RFC 7009 section 2.2).
		{"garbage", right, "token=x", 200, ""},
		{"a forged refresh token", right, "token=" + s.forge(g.ID), 200, ""},
		{"a refresh token without a grant", right, "token=" + s.forge(credential.NewID()), 200, ""},
		{"the code", right, "token=" + code, 200, ""},
		{"the code as a refresh token", right, "token=dcr_rt_" + strings.TrimPrefix(code, "dcr_ac_"), 200, ""},
		{"Cognito's refresh token", right, "token=" + up.RefreshToken, 200, ""},
		{"an ID token", right, "token=" + up.IDToken, 200, ""},
		{"an access token with another signature", right, "token=" + signedBy(first.text("access_token"), machineToken), 200, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { s.post("/revoke", tt.authorization, tt.form).want(tt.status, tt.code) })
	}
	s.wantStands(g.ID)
	s.wantActive(first.text("access_token"), true)
}

// signedBy returns a JWT with the signature of another one.
func signedBy(token, other string) string {
	return token[:strings.LastIndex(token, ".")] + other[strings.LastIndex(other, "."):]
}

func TestRevokeWhenCognitoFailsCanBeRepeated(t *testing.T) {
	for _, effect := range []emulator.Effect{emulator.FailBefore, emulator.FailAfter, emulator.CutBefore, emulator.CutAfter, emulator.Throttle} {
		s := newStack(t)
		c := s.public()
		g, first := s.authorized(c)
		s.cognito.Faults().Inject("revoke", emulator.Fault{Effect: effect, Times: 1})
		s.as(c, "/revoke", "token="+first.text("refresh_token")).want(503, "temporarily_unavailable")
		s.wantActive(first.text("access_token"), false) // it has ended nevertheless
		s.as(c, "/revoke", "token="+first.text("refresh_token")).want(200, "")
		s.wantEnded(g.ID)
	}
}

func TestRevokeWithoutKeysOfThePoolIs503(t *testing.T) {
	s := newStack(t)
	c := s.public()
	_, first := s.authorized(c)
	s.cognito.Faults().Inject("jwks", emulator.Fault{Effect: emulator.FailBefore, Times: 1})
	s.as(c, "/revoke", "token="+first.text("access_token")).want(503, "temporarily_unavailable")
	s.Clock.Advance(3 * time.Second)
	s.as(c, "/revoke", "token="+first.text("access_token")).want(200, "")
	s.wantActive(first.text("access_token"), false)
}

// A grant that the caller has read may be out of date.
func TestEndGrantWithAStaleGrant(t *testing.T) {
	s := newStack(t)
	c := s.public()
	g, first := s.authorized(c)
	stale := s.Grant(g.ID)
	s.refreshed(c, first.text("refresh_token")) // so that stale is out of date
	if err := s.config.Ender.EndGrant(t.Context(), s.Keys, stale); err != nil {
		t.Fatal(err)
	}
	s.wantEnded(g.ID)
	if stale.EndedAt.IsZero() {
		t.Error("the passed grant has no end")
	}
	if err := s.config.Ender.EndGrant(t.Context(), s.Keys, stale); err != nil {
		t.Errorf("ending it again: %v", err)
	}
}

// One sign-in can have two grants, and access tokens name only the sign-in.
func TestSecondGrantOfASignInIsFound(t *testing.T) {
	s := newStack(t)
	c := s.public()
	up := s.signIn()
	s.allow(s.public(), up, func(g *broker.Grant) { g.EndedAt = s.Clock.Now() })
	g, _ := s.allow(c, up, func(g *broker.Grant) {
		g.ID = broker.GrantID(s.Keys, up.OriginJTI, 1)
	})
	s.wantActive(up.AccessToken, true)
	s.as(c, "/revoke", "token="+up.AccessToken).want(200, "")
	s.wantEnded(g.ID)
	s.wantActive(up.AccessToken, false)
}

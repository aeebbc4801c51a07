package token_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/world"
)

func TestIntrospectionOfAnActiveToken(t *testing.T) {
	s := newStack(t)
	c := s.public()
	up := s.signIn("scope", "openid "+notes+"/read "+notes+"/write "+mail+"/send")
	g, code := s.allow(c, up)
	a := s.as(c, "/token", codeForm(code)).want(200, "")
	in := s.introspected(a.text("access_token"))
	want := map[string]any{
		"active": true, "client_id": c.ClientID, "sub": g.User.Sub, "username": "alice", "scope": notes + "/read " + notes + "/write", "aud": notes,
		"token_type": "Bearer", "iat": float64(s.Clock.Second().Unix()), "exp": float64(s.Clock.Second().Add(time.Hour).Unix()),
	}
	if !maps.Equal(in.body, want) {
		t.Errorf("got %v, want %v", in.body, want)
	}
	body := s.post("/introspect", "", "client_id="+notesID+"&client_secret="+notesSecret+"&token="+a.text("access_token"))
	if !maps.Equal(body.body, want) {
		t.Errorf("authenticated in the body: got %v, want %v", body.body, want)
	}
}

// wantInactive checks that the introspection answer has only active: false.
func (s *stack) wantInactive(who, secret, token string) {
	s.T.Helper()
	a := s.post("/introspect", basic(who, secret), "token="+token).want(200, "")
	if got := strings.TrimSpace(a.raw); got != `{"active":false}` {
		s.T.Errorf("got %s, want only active: false", got)
	}
}

func TestIntrospectionOfTokensThatAreNotActive(t *testing.T) {
	s := newStack(t)
	c := s.public()
	up := s.signIn()
	_, code := s.allow(c, up)
	first := s.as(c, "/token", codeForm(code)).want(200, "")
	access := first.text("access_token")
	s.wantActive(access, true)

	s.wantInactive(notesID, notesSecret, "x")
	s.wantInactive(notesID, notesSecret, up.IDToken)
	s.wantInactive(notesID, notesSecret, up.RefreshToken)
	s.wantInactive(notesID, notesSecret, first.text("refresh_token"))
	s.wantInactive(notesID, notesSecret, code)
	s.wantInactive(notesID, notesSecret, access[:len(access)-4]+"AAAA")
	s.wantInactive(mailID, mailSecret, access) // the token has no scope of mail
	s.wantInactive(notesID, notesSecret, s.signIn().AccessToken)

	// A grant for another resource. Its token also has a scope of this one.
	both := s.signIn("scope", "openid "+notes+"/read "+mail+"/send")
	s.allow(c, both, func(g *broker.Grant) { g.Resource = mail })
	s.wantInactive(notesID, notesSecret, both.AccessToken)
	if a := s.post("/introspect", basic(mailID, mailSecret), "token="+both.AccessToken); a.body["active"] != true || a.text("scope") != mail+"/send" {
		t.Errorf("its own resource gets %s, want active with its own scope", a.raw)
	}

	s.Clock.Advance(time.Hour)
	s.wantInactive(notesID, notesSecret, access)
}

func TestTokensOfADisabledClientAreNotActive(t *testing.T) {
	tests := []struct {
		name   string
		change func(r *broker.Registration)
	}{
		{"disabled", func(r *broker.Registration) { r.State = broker.RegistrationDisabled }},
		{"being deleted", func(r *broker.Registration) { r.State = broker.RegistrationDeleting }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStack(t)
			c, machine := s.public(), s.machine()
			_, first := s.authorized(c)
			own := s.as(machine, "/token", machineForm).want(200, "").text("access_token")
			for _, id := range []string{c.ClientID, machine.ClientID} {
				r, err := s.Inner.Registration(t.Context(), id)
				if err == nil {
					tt.change(r)
					err = s.Inner.ReplaceRegistration(t.Context(), r)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			s.wantInactive(notesID, notesSecret, first.text("access_token"))
			s.wantInactive(notesID, notesSecret, own)
		})
	}
}

func TestIntrospectionOfTokensBoundToAResource(t *testing.T) {
	s := newStackOn(t, emulator.Config{ManagedLogin: 2})
	if _, err := s.cognito.API().CreateManagedLoginBranding(t.Context(), &cip.CreateManagedLoginBrandingInput{
		UserPoolId: aws.String(world.PoolID), ClientId: aws.String(s.app(shared).ID), UseCognitoProvidedValues: true,
	}); err != nil {
		t.Fatal(err)
	}
	c := s.public()
	bound := s.signIn("resource", notes)
	s.allow(c, bound)
	s.wantActive(bound.AccessToken, true)

	slash := s.signIn("resource", notes+"/")
	s.allow(c, slash)
	s.wantActive(slash.AccessToken, true)

	elsewhere := s.signIn("resource", "https://evil.example/mcp")
	s.allow(c, elsewhere)
	s.wantInactive(notesID, notesSecret, elsewhere.AccessToken)
}

func TestIntrospectionRefusals(t *testing.T) {
	s := newStack(t)
	c := s.register(dcr.AuthSecretBasic)
	_, first := s.authorized(c)
	token := "token=" + first.text("access_token")
	tests := []struct {
		name, authorization, form string
		status                    int
		code                      string
	}{
		{"no credentials", "", token, 401, "invalid_client"},
		{"id alone", "", token + "&client_id=" + notesID, 401, "invalid_client"},
		{"wrong secret", basic(notesID, mailSecret), token, 401, "invalid_client"},
		{"empty secret", basic(notesID, ""), token, 401, "invalid_client"},
		{"unknown id", basic("nobody", notesSecret), token, 401, "invalid_client"},
		{"unknown id, empty secret", basic("nobody", ""), token, 401, "invalid_client"},
		{"a client with another secret", basic(c.ClientID, notesSecret), token, 401, "invalid_client"},
		{"a client without its secret", "", token + "&client_id=" + c.ClientID, 401, "invalid_client"},
		{"a client that has no secret", "", token + "&client_id=" + s.public().ClientID, 401, "invalid_client"},
		{"an empty secret of a client that has none", basic(s.public().ClientID, ""), token, 401, "invalid_client"},
		{"the token as bearer", "Bearer " + first.text("access_token"), token, 401, "invalid_client"},
		{"both ways", basic(notesID, notesSecret), token + "&client_secret=" + notesSecret, 400, "invalid_request"},
		{"no token", basic(notesID, notesSecret), "x=1", 400, "invalid_request"},
		{"two tokens", basic(notesID, notesSecret), token + "&" + token, 400, "invalid_request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := s.post("/introspect", tt.authorization, tt.form).want(tt.status, tt.code)
			if a.body["active"] != nil {
				t.Errorf("got %s, want no information about the token", a.raw)
			}
		})
	}
}

func TestIntrospectionThatCannotVerifyIs503(t *testing.T) {
	for _, effect := range []emulator.Effect{emulator.FailBefore, emulator.FailAfter, emulator.Throttle} {
		s := newStack(t)
		_, first := s.authorized(s.public())
		s.cognito.Faults().Inject("jwks", emulator.Fault{Effect: effect, Times: 1})
		s.post("/introspect", basic(notesID, notesSecret), "token="+first.text("access_token")).want(503, "temporarily_unavailable")
		s.Clock.Advance(3 * time.Second)
		s.wantActive(first.text("access_token"), true)
	}
}

func TestIntrospectionReadsGrantAndRegistrationAndNoMore(t *testing.T) {
	s := newStack(t)
	_, first := s.authorized(s.public())
	s.wantActive(first.text("access_token"), true)
	s.Store.Reset()
	s.wantActive(first.text("access_token"), true)
	if g, r := s.Store.Calls("Grant"), s.Store.Calls("Registration"); g != 1 || r != 1 {
		t.Errorf("%d reads of the grant and %d of the registration, want one each", g, r)
	}
	if got := slices.Max([]int{s.cognito.Calls("jwks"), s.cognito.Calls("discovery")}); got != 1 {
		t.Errorf("Cognito's keys were fetched %d times, want once", got)
	}
}

package token_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

const machineForm = "grant_type=client_credentials"

func TestClientCredentialsMakesTheAppClientForTheFirstToken(t *testing.T) {
	s := newStack(t)
	c := s.machine()
	a := s.as(c, "/token", machineForm+"&scope="+notes+"/read").want(200, "")
	if a.text("scope") != notes+"/read" || a.number("expires_in") != 3599 || a.text("token_type") != "Bearer" || a.body["refresh_token"] != nil {
		t.Errorf("got %s, want an access token of an hour for %s/read, and no refresh token", a.raw, notes)
	}
	want := []string{broker.DedicatedAppClientKey(c.ClientID, c.Generation)}
	for range 3 {
		s.as(c, "/token", machineForm).want(200, "")
	}
	if !slices.Equal(s.provisioned, want) {
		t.Errorf("provisioned %q, want %q", s.provisioned, want)
	}

	in := s.introspected(a.text("access_token"))
	app := s.AppClient(want[0])
	if in.body["active"] != true || in.text("client_id") != c.ClientID || in.text("sub") != c.ClientID || in.text("scope") != notes+"/read" || in.body["aud"] != nil {
		t.Errorf("introspection answers %s, want it active, with the client id of the broker and without aud, which the token does not have", in.raw)
	}
	if strings.Contains(in.raw, app.CognitoID) {
		t.Errorf("introspection names Cognito's app client: %s", in.raw)
	}
	if err := s.Inner.DeleteRegistration(t.Context(), c.ClientID, c.Generation); err != nil {
		t.Fatal(err)
	}
	s.wantActive(a.text("access_token"), false)
	s.as(c, "/token", machineForm).want(401, "invalid_client")
}

// A client that is registered for one scope is refused another one that exists. If
// it got the one that it is registered for, it would ask again and again.
func TestAScopeThatAMachineIsNotRegisteredFor(t *testing.T) {
	s := newStack(t)
	c := s.register(dcr.AuthSecretBasic, func(r *broker.Registration) {
		r.Profile, r.Metadata.GrantTypes, r.Metadata.RedirectURIs = "trusted", []string{dcr.GrantClientCredentials}, nil
		r.Metadata.Scope = notes + "/read"
	})
	s.as(c, "/token", machineForm+"&scope="+notes+"/write").want(400, "invalid_scope")
	s.as(c, "/token", machineForm+"&scope=openid+"+notes+"/write").want(400, "invalid_scope")
	if got := s.as(c, "/token", machineForm+"&scope="+notes+"/write+"+notes+"/read").want(200, "").text("scope"); got != notes+"/read" {
		t.Errorf("scope = %q, want %s/read", got, notes)
	}
}

func TestClientCredentialsScopes(t *testing.T) {
	s := newStack(t)
	c := s.machine()
	all := notes + "/read " + notes + "/write " + mail + "/send"
	tests := []struct {
		name, form, scope, code string
	}{
		{"all registered scopes", "", all, ""},
		{"a repeated scope counts once", "&scope=" + notes + "/read+" + notes + "/read", notes + "/read", ""},
		{"offline_access is ignored", "&scope=offline_access+" + notes + "/read", notes + "/read", ""},
		{"scopes of the resource", "&resource=" + notes, notes + "/read " + notes + "/write", ""},
		{"scopes of the resource, with a slash", "&resource=" + mail + "/", mail + "/send", ""},
		{"requested scopes of the resource", "&resource=" + notes + "&scope=" + notes + "/write+" + mail + "/send", notes + "/write", ""},
		{"no scope of the resource", "&resource=" + mail + "&scope=" + notes + "/write", "", "invalid_scope"},
		{"some are registered", "&scope=" + notes + "/read+" + notes + "/admin", notes + "/read", ""},
		{"none exists", "&scope=" + notes + "/admin+offline_access", all, ""},
		{"openid, which needs a user", "&scope=openid", all, ""},
		{"another resource", "&resource=https://evil.example/mcp", "", "invalid_target"},
		{"two resources", "&resource=" + notes + "&resource=" + mail, "", "invalid_target"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.code != "" {
				s.as(c, "/token", machineForm+tt.form).want(400, tt.code)
				return
			}
			a := s.as(c, "/token", machineForm+tt.form).want(200, "")
			if a.text("scope") != tt.scope {
				t.Errorf("scope = %q, want %q", a.text("scope"), tt.scope)
			}
		})
	}
}

func TestClientCredentialsIsForTheOnlyResource(t *testing.T) {
	s := newStack(t)
	c := s.machine()
	s.Conf.Resources = s.Conf.Resources[1:]
	if a := s.as(c, "/token", machineForm).want(200, ""); a.text("scope") != mail+"/send" {
		t.Errorf("scope = %q, want %q", a.text("scope"), mail+"/send")
	}
}

// The app client at Cognito may have fewer scopes than the registration.
func TestClientCredentialsRequestsOnlyScopesOfTheAppClient(t *testing.T) {
	s := newStack(t)
	c := s.machine()
	s.makeApp(broker.DedicatedAppClientKey(c.ClientID, c.Generation), notes+"/read")
	if a := s.as(c, "/token", machineForm).want(200, ""); a.text("scope") != notes+"/read" {
		t.Errorf("scope = %q, want %q", a.text("scope"), notes+"/read")
	}
	s.as(c, "/token", machineForm+"&scope="+mail+"/send").want(400, "invalid_scope")
}

func TestClientCredentialsRefusals(t *testing.T) {
	s := newStack(t)
	c, person := s.machine(), s.register(dcr.AuthSecretBasic)
	public := s.register(dcr.AuthNone, func(r *broker.Registration) {
		r.Profile, r.Metadata.GrantTypes = "trusted", []string{dcr.GrantClientCredentials}
	})
	s.as(person, "/token", machineForm).want(400, "unauthorized_client")
	s.as(c, "/token", "grant_type=authorization_code&code=x").want(400, "unauthorized_client")
	s.post("/token", basic(c.ClientID, person.secret), machineForm).want(401, "invalid_client")
	s.post("/token", "", machineForm+"&client_id="+c.ClientID).want(401, "invalid_client")
	if len(s.provisioned) != 0 {
		t.Errorf("provisioned %q, want nothing", s.provisioned)
	}
	// Cognito has no client_credentials for public clients, so the broker made
	// no app client.
	s.provisioning = func(context.Context, string) error { return broker.ErrNotFound }
	s.as(public, "/token", machineForm).want(400, "unauthorized_client")
}

func TestFullPoolIs503WithRetryAfter(t *testing.T) {
	s := newStack(t)
	c := s.machine()
	s.provisioning = func(context.Context, string) error {
		e := dcr.Errorf(dcr.Unavailable, "the user pool has no room for another app client")
		e.RetryAfter = 5 * time.Minute
		return fmt.Errorf("provision: %w", e)
	}
	a := s.as(c, "/token", machineForm).want(503, "temporarily_unavailable")
	if got := a.header.Get("Retry-After"); got != "300" {
		t.Errorf("Retry-After = %q, want 300", got)
	}
	s.provisioning = nil
	s.as(c, "/token", machineForm).want(200, "")
}

func TestFirstTokensAtTheSameTime(t *testing.T) {
	s := newStack(t)
	c := s.machine()
	s.provisioning = provisionOnce(s)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() { s.as(c, "/token", machineForm).want(200, "") })
	}
	wg.Wait()
}

// provisionOnce makes the app client once and lets the other requests wait, as
// the provisioner does.
func provisionOnce(s *stack) func(context.Context, string) error {
	var once sync.Once
	return func(_ context.Context, key string) error {
		once.Do(func() {
			s.makeApp(key, notes+"/read", notes+"/write", mail+"/send")
		})
		return nil
	}
}

func TestClientCredentialsWhenCognitoFails(t *testing.T) {
	for _, effect := range []emulator.Effect{emulator.FailBefore, emulator.FailAfter, emulator.CutBefore, emulator.CutAfter, emulator.Throttle} {
		s := newStack(t)
		c := s.machine()
		s.cognito.Faults().Inject("token", emulator.Fault{Effect: effect, Times: 1})
		s.as(c, "/token", machineForm).want(503, "temporarily_unavailable")
		s.as(c, "/token", machineForm).want(200, "")
	}
}

// Each token request extends the client's grant to itself.
func TestGrantOfAClientToItselfIsExtended(t *testing.T) {
	s := newStack(t)
	c := s.machine()
	for range 12 {
		a := s.as(c, "/token", machineForm+"&resource="+notes).want(200, "")
		s.wantActive(a.text("access_token"), true)
		s.Clock.Advance(59 * time.Minute)
		s.wantActive(a.text("access_token"), true)
		s.Clock.Advance(10 * 24 * time.Hour)
	}
}

func TestClientWhoseGrantToItselfHasEndedGetsNoTokens(t *testing.T) {
	s := newStack(t)
	c := s.machine()
	a := s.as(c, "/token", machineForm+"&resource="+notes).want(200, "")
	for g, err := range s.Inner.ListGrants(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if err := s.config.Ender.EndGrant(t.Context(), s.Keys, g); err != nil {
			t.Fatal(err)
		}
	}
	s.wantActive(a.text("access_token"), false)
	s.as(c, "/token", machineForm).want(400, "unauthorized_client")
}

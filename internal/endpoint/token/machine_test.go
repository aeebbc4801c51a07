package token_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"

	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/mcpauth"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/world"
)

// newBoundStack is newStack with resource binding, and with a scope that both
// protected resources have.
func newBoundStack(t *testing.T) *stack {
	t.Helper()
	s := newStackOn(t, emulator.Config{ManagedLogin: 2})
	if _, err := s.cognito.API().CreateManagedLoginBranding(t.Context(), &cip.CreateManagedLoginBrandingInput{
		UserPoolId: aws.String(world.PoolID), ClientId: aws.String(s.app(shared).ID), UseCognitoProvidedValues: true,
	}); err != nil {
		t.Fatal(err)
	}
	s.Conf.ResourceBinding = true
	s.Conf.Resources = []broker.Resource{{URL: notes, Scopes: []string{notes + "/read", notes + "/write"}}, {URL: mail, Scopes: []string{mail + "/send", notes + "/read"}}}
	return s
}

// asks returns the answer to an introspection by the server of a resource.
func (s *stack) asks(resource, token string) answer {
	s.T.Helper()
	authorization := basic(notesID, notesSecret)
	if resource == mail {
		authorization = basic(mailID, mailSecret)
	}
	return s.post("/introspect", authorization, "token="+token).want(200, "")
}

// verifies reports whether the server of a resource takes a token by itself, with
// these app clients.
func (s *stack) verifies(resource, token string, appClients ...string) bool {
	s.T.Helper()
	guard, err := mcpauth.New(mcpauth.Config{
		Resource: resource, AuthorizationServer: "https://auth.example.com", TokenIssuer: s.cognito.Issuer(), RequireAudience: true,
		AppClients: append(appClients, s.app(shared).ID), Scopes: []string{notes + "/read"}, Now: s.Now,
	})
	if err != nil {
		s.T.Fatal(err)
	}
	r, w := httptest.NewRequest(http.MethodPost, resource, nil), httptest.NewRecorder()
	r.Header.Set("Authorization", "Bearer "+token)
	guard.Protect(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })).ServeHTTP(w, r)
	return w.Code == http.StatusNoContent
}

// A token is good at the resource that it was requested for and at no other, also if
// both have its scope, whether a server verifies the token by itself or introspects
// it. Cognito binds no token of client_credentials, so the answer has no aud.
func TestTwoResourcesThatShareAScope(t *testing.T) {
	s := newBoundStack(t)
	forNotes, forMail := s.machine(), s.machine()
	machineToken := func(c client, resource string) string {
		a := s.as(c, "/token", machineForm+"&scope="+notes+"/read&resource="+resource).want(200, "")
		return a.text("access_token")
	}
	userToken := func(resource string) string {
		up := s.signIn("resource", resource)
		s.allow(s.public(), up, func(g *broker.Grant) { g.Resource = resource })
		return up.AccessToken
	}
	for name, tokens := range map[string]map[string]string{
		"machine": {notes: machineToken(forNotes, notes), mail: machineToken(forMail, mail)},
		"user":    {notes: userToken(notes), mail: userToken(mail)},
	} {
		for _, resource := range []string{notes, mail} {
			for _, at := range []string{notes, mail} {
				good, token := resource == at, tokens[resource]
				in := s.asks(at, token)
				if in.body["active"] != good || good && in.text("scope") != notes+"/read" {
					t.Errorf("a %s's token for %s at %s: introspection answers %s, want active %t", name, resource, at, in.raw, good)
				}
				if aud, want := in.text("aud"), map[bool]string{true: resource}[good && name == "user"]; aud != want {
					t.Errorf("a %s's token for %s at %s: aud %q, want that of the token, %q", name, resource, at, aud, want)
				}
				machines := map[string]client{notes: forNotes, mail: forMail} // those that the server lists
				app := s.AppClient(broker.DedicatedAppClientKey(machines[at].ClientID, machines[at].Generation)).CognitoID
				if got := s.verifies(at, token, app); got != good {
					t.Errorf("a %s's token for %s at %s: the server takes it: %t, want %t", name, resource, at, got, good)
				}
			}
		}
	}
	// One client for both: only introspection tells its tokens apart.
	both := s.machine()
	for _, resource := range []string{notes, mail} {
		token := machineToken(both, resource)
		for _, at := range []string{notes, mail} {
			if in := s.asks(at, token); in.body["active"] != (resource == at) {
				t.Errorf("a token of a client of both for %s at %s: introspection answers %s", resource, at, in.raw)
			}
		}
	}
}

// A token that was requested for no resource has no aud, and is good at each that has
// its scopes.
func TestAMachineTokenForNoResource(t *testing.T) {
	s := newBoundStack(t)
	token := s.as(s.machine(), "/token", machineForm).want(200, "").text("access_token")
	for at, scope := range map[string]string{notes: notes + "/read " + notes + "/write", mail: notes + "/read " + mail + "/send"} {
		if in := s.asks(at, token); in.body["active"] != true || in.text("scope") != scope || in.body["aud"] != nil {
			t.Errorf("at %s introspection answers %s, want the scope %q and no aud", at, in.raw, scope)
		}
	}
}

// A client gets a token only when its resource is stored. After a failure it repeats
// the request.
func TestTheResourceOfAMachineTokenIsStoredFirst(t *testing.T) {
	for _, p := range points {
		s := newBoundStack(t)
		c := s.machine()
		s.Store.FailNext("PutMachineToken", 1, p)
		form := machineForm + "&resource=" + mail
		s.as(c, "/token", form).want(503, "temporarily_unavailable")
		token := s.as(c, "/token", form).want(200, "").text("access_token")
		if in := s.asks(notes, token); in.body["active"] != false {
			t.Errorf("%s: at another resource introspection answers %s", p, in.raw)
		}
		s.Store.FailNext("MachineToken", 1, fake.NotApplied)
		s.post("/introspect", basic(mailID, mailSecret), "token="+token).want(503, "temporarily_unavailable")
	}
}

// A client with a secret may ask about its own tokens with its own credentials, as
// OAuth libraries do, and learns nothing about those of others.
func TestAClientIntrospectsItsOwnTokens(t *testing.T) {
	s := newStack(t)
	c, machine := s.register("client_secret_basic"), s.machine()
	posts := s.register("client_secret_post")
	g, first := s.authorized(c)
	_, others := s.authorized(posts)
	own := s.as(machine, "/token", machineForm+"&resource="+mail).want(200, "").text("access_token")
	refreshToken := first.text("refresh_token")

	in := s.as(c, "/introspect", "token="+first.text("access_token")).want(200, "")
	if in.body["active"] != true || in.text("client_id") != c.ClientID || in.text("sub") != g.User.Sub || in.text("scope") != notes+"/read" || in.text("aud") != notes {
		t.Errorf("its access token: %s, want it active for %s", in.raw, notes)
	}
	in = s.as(c, "/introspect", "token_type_hint=refresh_token&token="+refreshToken).want(200, "")
	if in.body["active"] != true || in.text("client_id") != c.ClientID || in.body["token_type"] != nil || in.number("exp") != float64(g.ExpiresAt.Unix()) {
		t.Errorf("its refresh token: %s, want it active until the grant ends", in.raw)
	}
	in = s.as(posts, "/introspect", "token="+others.text("access_token")).want(200, "")
	if in.body["active"] != true {
		t.Errorf("with client_secret_post: %s, want active", in.raw)
	}
	in = s.as(machine, "/introspect", "token="+own).want(200, "")
	if in.body["active"] != true || in.text("sub") != machine.ClientID || in.text("scope") != mail+"/send" || in.body["aud"] != nil {
		t.Errorf("a machine's token: %s, want it active", in.raw)
	}
	inactive := func(name string, as client, token string) {
		t.Helper()
		if a := s.as(as, "/introspect", "token="+token).want(200, ""); len(a.body) != 1 || a.body["active"] != false {
			t.Errorf("%s: %s, want only active: false", name, a.raw)
		}
	}
	inactive("an access token of another client", c, others.text("access_token"))
	inactive("a refresh token of another client", c, others.text("refresh_token"))
	inactive("a machine's token", c, own)
	inactive("a made-up refresh token", c, s.forge(g.ID))
	inactive("a text", c, "x")
	if a := s.asks(notes, refreshToken); a.body["active"] != false {
		t.Errorf("a refresh token, asked by a server: %s, want inactive", a.raw)
	}
	s.UseBrokeredPolicy(noRefreshes)
	inactive("a refresh token whose grant type was withdrawn", c, refreshToken)
	s.UseBrokeredPolicy(onlySend)
	inactive("a refresh token with a withdrawn scope", c, refreshToken)
	s.UseBrokeredPolicy(unchanged)
	next := s.refreshed(c, refreshToken)
	s.Clock.Advance(2 * broker.ReuseWindow)
	inactive("a spent refresh token", c, refreshToken)
	s.wantStands(g.ID)
	if g := s.Grant(g.ID); len(g.Live) != 1 {
		t.Errorf("introspection changed the grant: %d live tokens", len(g.Live))
	}
	s.as(c, "/revoke", "token="+next).want(200, "")
	inactive("a revoked refresh token", c, next)
}

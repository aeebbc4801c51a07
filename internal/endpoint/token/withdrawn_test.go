package token_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/test/world"
)

// policyWith returns a policy whose profile open has these more members, and a
// profile trusted for machines with all scopes.
func policyWith(open string) string {
	return `{"version":1,"open_registration":"open","profiles":{
		"open":{"redirect_uris":{"loopback":true}` + open + `},
		"trusted":{"redirect_uris":{"any_https":true},"grant_types":["authorization_code","refresh_token","client_credentials"],
			"token_endpoint_auth_methods":["client_secret_basic"]}}}`
}

var (
	unchanged   = policyWith("")
	onlySend    = policyWith(`,"scopes":{"allowed":["` + mail + `/send"]}`)
	noProfile   = world.BrokeredPolicyWithout("open")
	onlyStaff   = policyWith(`,"users":{"groups":["staff"]}`)
	noRefreshes = policyWith(`,"grant_types":["authorization_code"]`)
)

// cachedPolicy makes the process use a policy from its cache. Only a request that
// reads past every cache gets the one in force, or the error.
func (s *stack) cachedPolicy(doc string, readErr error) {
	s.T.Helper()
	old := world.ParsePolicy(s.T, broker.ModeBrokered, doc, offered)
	inForce := s.config.Configuration
	s.config.Configuration = func(ctx context.Context) (*configuration.Configuration, error) {
		switch {
		case !broker.WantsUncached(ctx):
			c := s.Conf
			c.Policy = old
			return &c, nil
		case readErr != nil:
			return nil, broker.NotReady(readErr)
		}
		return inForce(ctx)
	}
	s.serve()
	s.T.Cleanup(func() { s.config.Configuration = inForce })
}

// requests are the kinds of requests for tokens of a user's grant.
var requests = []struct {
	name string
	form func(s *stack, c client) (g *broker.Grant, form string)
}{
	{"code", func(s *stack, c client) (*broker.Grant, string) {
		g, code := s.code(c)
		return g, codeForm(code)
	}},
	{"refresh", func(s *stack, c client) (*broker.Grant, string) {
		g, first := s.authorized(c)
		return g, refreshForm(first.text("refresh_token"))
	}},
	{"sibling of a refresh", func(s *stack, c client) (*broker.Grant, string) {
		g, first := s.authorized(c)
		s.refreshed(c, first.text("refresh_token"))
		return g, refreshForm(first.text("refresh_token"))
	}},
}

// What the operator withdraws ends the grants of users that hold it, at the next
// request for a token. Cognito is not asked: its answer could spend its refresh
// token.
func TestWithdrawnGrantsEnd(t *testing.T) {
	for name, after := range map[string]string{"the profile": noProfile, "a scope": onlySend} {
		for _, r := range requests {
			t.Run(name+"/"+r.name, func(t *testing.T) {
				s := newStack(t)
				c := s.public()
				g, form := r.form(s, c)
				asked := s.cognito.Calls("token")
				s.UseBrokeredPolicy(after)
				s.as(c, "/token", form).want(400, "invalid_grant")
				if got := s.cognito.Calls("token"); got != asked {
					t.Errorf("Cognito's token endpoint was called %d times, want 0", got-asked)
				}
				s.wantEnded(g.ID)
				s.UseBrokeredPolicy(unchanged)
				s.as(c, "/token", form).want(400, "invalid_grant")
			})
		}
	}
}

// A policy that is rolled back has ended nothing that did not ask for a token
// meanwhile. A machine goes on even if it did.
func TestAProfileThatIsWithdrawnAndRestored(t *testing.T) {
	s := newStack(t)
	c, machine := s.public(), s.machine()
	g, first := s.authorized(c)
	own := s.as(machine, "/token", machineForm+"&resource="+notes).want(200, "").text("access_token")
	s.UseBrokeredPolicy(noProfile)
	s.as(machine, "/token", machineForm).want(400, "unauthorized_client")
	s.wantActive(own, false)
	s.wantActive(first.text("access_token"), false)

	s.UseBrokeredPolicy(unchanged)
	s.wantActive(own, true)
	s.wantActive(first.text("access_token"), true)
	s.as(machine, "/token", machineForm).want(200, "")
	s.as(c, "/token", refreshForm(first.text("refresh_token"))).want(200, "")
	s.wantStands(g.ID)
}

// A machine that asks for a token while the policy withholds everything is not
// inactive: else it would be removed by lifetimes.inactive, and a policy that is
// restored later would not bring it back.
func TestAMachineThatThePolicyRefusesIsInUse(t *testing.T) {
	s := newStack(t)
	machine := s.machine()
	s.as(machine, "/token", machineForm).want(200, "")
	s.UseBrokeredPolicy(noProfile)
	s.Wait(40 * world.Day)
	s.as(machine, "/token", machineForm).want(400, "unauthorized_client")
	if got, want := s.Registration(machine.ClientID).LastUsedAt, broker.Seconds(s.Now()); !got.Equal(want) {
		t.Errorf("last used at %v, want %v, the time of the refused request", got, want)
	}
	// The first token ends lifetimes.unconfirmed, and a refused request does not.
	fresh := s.machine()
	r := s.Registration(fresh.ClientID)
	r.ExpiresAt = broker.Seconds(s.Now()).Add(world.Day)
	if err := s.Store.ReplaceRegistration(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	s.as(fresh, "/token", machineForm).want(400, "unauthorized_client")
	if got := s.Registration(fresh.ClientID).ExpiresAt; !got.Equal(r.ExpiresAt) {
		t.Errorf("expires at %v, want %v as before", got, r.ExpiresAt)
	}
}

// Only what cannot be undone needs a second look: a process that has the withdrawn
// policy in its memory looks again, and ends nothing that is allowed again, nor
// anything while it cannot look.
func TestBeforeAGrantEndsTheConfigurationIsReadPastEveryCache(t *testing.T) {
	for name, cached := range map[string]string{"the profile": noProfile, "a scope": onlySend} {
		for _, r := range requests {
			t.Run(name+"/"+r.name, func(t *testing.T) {
				s := newStack(t)
				c := s.public()
				g, form := r.form(s, c)
				s.cachedPolicy(cached, errors.New("the table does not answer"))
				s.as(c, "/token", form).want(503, "temporarily_unavailable")
				s.wantStands(g.ID)
				s.start(s.Keys)
				s.cachedPolicy(cached, nil)
				s.as(c, "/token", form).want(200, "")
				s.wantStands(g.ID)
			})
		}
	}
}

// A machine gets a token for the scopes that are left. While none is left it gets
// none, and nothing ends.
func TestMachinesGetTheScopesThatAreLeft(t *testing.T) {
	s := newStack(t)
	c := s.machine()
	all := s.as(c, "/token", machineForm).want(200, "").text("access_token")
	for _, tt := range []struct{ name, trusted, form, scope, code string }{
		{"one of three scopes", `"scopes":{"allowed":["` + notes + `/read"]}`, "", notes + "/read", ""},
		{"a scope that is left", `"scopes":{"allowed":["` + notes + `/read"]}`, "&scope=" + notes + "/read+" + notes + "/write", notes + "/read", ""},
		{"a scope that is withdrawn", `"scopes":{"allowed":["` + notes + `/read"]}`, "&scope=" + notes + "/write", "", "invalid_scope"},
		{"no scope", `"scopes":{"allowed":["openid"]},"grant_types":["authorization_code"]`, "", "", "unauthorized_client"},
		{"the grant type", `"grant_types":["authorization_code"]`, "", "", "unauthorized_client"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.UseBrokeredPolicy(strings.Replace(unchanged,
				`"grant_types":["authorization_code","refresh_token","client_credentials"]`,
				map[bool]string{true: tt.trusted, false: tt.trusted + `,"grant_types":["client_credentials"]`}[strings.Contains(tt.trusted, "grant_types")], 1))
			if tt.code != "" {
				s.as(c, "/token", machineForm+tt.form).want(400, tt.code)
			} else if a := s.as(c, "/token", machineForm+tt.form).want(200, ""); a.text("scope") != tt.scope {
				t.Errorf("scope = %q, want %q", a.text("scope"), tt.scope)
			}
			if in := s.introspected(all); in.text("scope") != tt.scope && tt.code != "invalid_scope" {
				t.Errorf("introspection of a token from before: %s, want the scope %q", in.raw, tt.scope)
			}
			s.UseBrokeredPolicy(unchanged)
			s.as(c, "/token", machineForm+tt.form).want(200, "")
		})
	}
}

// Introspection cuts the scopes, and ends nothing.
func TestIntrospectionCutsWithdrawnScopes(t *testing.T) {
	s := newStack(t)
	c := s.public()
	up := s.signIn("scope", "openid "+notes+"/read "+notes+"/write")
	g, code := s.allow(c, up)
	access := s.as(c, "/token", codeForm(code)).want(200, "").text("access_token")
	for _, tt := range []struct{ policy, scope string }{
		{policyWith(`,"scopes":{"allowed":["` + notes + `/read"]}`), notes + "/read"},
		{onlySend, ""},
		{onlyStaff, notes + "/read " + notes + "/write"},
		{policyWith(`,"users":{"groups":["admins"]}`), ""},
		{noRefreshes, notes + "/read " + notes + "/write"},
		{unchanged, notes + "/read " + notes + "/write"},
	} {
		s.UseBrokeredPolicy(tt.policy)
		if in := s.introspected(access); in.body["active"] != (tt.scope != "") || in.text("scope") != tt.scope {
			t.Errorf("under %s introspection answers %s, want the scope %q", tt.policy, in.raw, tt.scope)
		}
	}
	s.wantStands(g.ID)
}

// A user who leaves the group loses the grant at the next request for a token,
// whether it comes with a code or a refresh token.
func TestAUserWhoIsNoLongerAdmittedLosesTheGrant(t *testing.T) {
	for _, r := range requests {
		t.Run(r.name, func(t *testing.T) {
			s := newStack(t)
			s.UseBrokeredPolicy(onlyStaff)
			c := s.public()
			g, form := r.form(s, c)
			s.setGroups("visitors")
			s.cachedPolicy(onlyStaff, errors.New("the table does not answer"))
			s.as(c, "/token", form).want(503, "temporarily_unavailable")
			s.wantStands(g.ID)
			s.start(s.Keys)
			s.as(c, "/token", form).want(400, "invalid_grant")
			s.wantEnded(g.ID)
		})
	}
}

func (s *stack) setGroups(groups ...string) {
	s.T.Helper()
	if err := s.cognito.SetGroups("alice", groups...); err != nil {
		s.T.Fatal(err)
	}
}

// anonymous is a Cognito whose answers have no ID token.
type anonymous struct{ world.OAuth }

func (a anonymous) Refresh(ctx context.Context, app broker.AppCredentials, refreshToken string) (broker.Tokens, error) {
	t, err := a.OAuth.Refresh(ctx, app, refreshToken)
	t.IDToken, t.User = "", broker.User{}
	return t, err
}

// Without an ID token nothing is known about the user, so nothing ends. Cognito may
// have rotated its refresh token meanwhile; the client can repeat its request all
// the same.
func TestWithoutAnIDTokenNoUserIsJudged(t *testing.T) {
	for _, r := range requests {
		t.Run(r.name, func(t *testing.T) {
			s := newStack(t)
			s.rotate()
			s.UseBrokeredPolicy(onlyStaff)
			c := s.public()
			g, form := r.form(s, c)
			s.use(s.Store, anonymous{s.up})
			s.serve()
			for range 2 {
				s.as(c, "/token", form).want(503, "temporarily_unavailable")
			}
			s.wantStands(g.ID)
			s.use(s.Store, s.up)
			s.serve()
			s.as(c, "/token", form).want(200, "")

			s.UseBrokeredPolicy(unchanged) // every user is admitted
			s.use(s.Store, anonymous{s.up})
			s.serve()
			_, form = r.form(s, c)
			s.as(c, "/token", form).want(200, "")
		})
	}
}

// rotate switches Cognito's rotation on, without a time in which it takes the
// former refresh token.
func (s *stack) rotate() {
	s.T.Helper()
	a := s.AppClient(shared)
	if _, err := s.cognito.API().UpdateUserPoolClient(s.T.Context(), &cip.UpdateUserPoolClientInput{
		UserPoolId: aws.String(world.PoolID), ClientId: &a.CognitoID, ClientName: aws.String("test"), AllowedOAuthFlowsUserPoolClient: true,
		AllowedOAuthFlows: []types.OAuthFlowType{"code"}, AllowedOAuthScopes: a.Scopes, SupportedIdentityProviders: []string{"COGNITO"},
		CallbackURLs: []string{callback}, ExplicitAuthFlows: []types.ExplicitAuthFlowsType{"ALLOW_USER_SRP_AUTH"}, EnableTokenRevocation: aws.Bool(true),
		RefreshTokenRotation: &types.RefreshTokenRotationType{Feature: "ENABLED", RetryGracePeriodSeconds: aws.Int32(0)},
	}); err != nil {
		s.T.Fatal(err)
	}
}

// A profile that allows no refresh tokens any more gives none and takes none. The
// grant stays: the operator may restore the grant type.
func TestAWithdrawnGrantTypeIsRefusedAndEndsNothing(t *testing.T) {
	s := newStack(t)
	c := s.public()
	g, first := s.authorized(c)
	_, code := s.code(c)
	s.UseBrokeredPolicy(noRefreshes)
	s.as(c, "/token", refreshForm(first.text("refresh_token"))).want(400, "unauthorized_client")
	if a := s.as(c, "/token", codeForm(code)).want(200, ""); a.body["refresh_token"] != nil {
		t.Errorf("got %s, want no refresh token", a.raw)
	}
	s.UseBrokeredPolicy(unchanged)
	s.as(c, "/token", refreshForm(first.text("refresh_token"))).want(200, "")
	s.wantStands(g.ID)
}

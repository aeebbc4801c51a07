package token_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"

	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/world"
)

// refreshed uses a refresh token and returns the next one.
func (s *stack) refreshed(c client, token string) string {
	s.T.Helper()
	return s.as(c, "/token", refreshForm(token)).want(200, "").text("refresh_token")
}

func TestRefreshTokenIsRotatedForEveryClient(t *testing.T) {
	for _, method := range []string{dcr.AuthNone, dcr.AuthSecretBasic, dcr.AuthSecretPost} {
		t.Run(method, func(t *testing.T) {
			s := newStack(t)
			c := s.register(method)
			g, first := s.authorized(c)
			s.Clock.Advance(10 * time.Minute)
			s.Store.Reset()
			a := s.as(c, "/token", refreshForm(first.text("refresh_token"))).want(200, "")
			if a.text("access_token") == first.text("access_token") || a.number("expires_in") != 3599 {
				t.Errorf("got %s, want a new access token for an hour", a.raw)
			}
			if a.text("scope") != notes+"/read" || a.text("token_type") != "Bearer" || a.body["id_token"] != nil {
				t.Errorf("got %s, want scope, Bearer and no ID token", a.raw)
			}
			next := a.text("refresh_token")
			if next == first.text("refresh_token") || !strings.HasPrefix(next, "dcr_rt_"+g.ID) {
				t.Errorf("refresh_token = %q, want another one with the id of the grant", next)
			}
			if r, w := s.Store.Calls("Grant"), s.Store.Calls("ReplaceGrant"); r != 1 || w != 1 {
				t.Errorf("%d reads and %d writes of the grant, want one each", r, w)
			}
			s.wantActive(a.text("access_token"), true)
			s.wantStands(g.ID)
			s.refreshed(c, next)
		})
	}
}

func TestUsedRefreshTokenYieldsASiblingForAMinute(t *testing.T) {
	s := newStack(t)
	c := s.public()
	g, first := s.authorized(c)
	root := first.text("refresh_token")
	a := s.refreshed(c, root)
	s.Clock.Advance(broker.ReuseWindow - time.Second)
	b := s.refreshed(c, root)
	if a == b {
		t.Error("the sibling is the same token")
	}
	// Both stay valid until one of them is used.
	s.Clock.Advance(24 * time.Hour)
	if got := len(s.wantStands(g.ID).Live); got != 2 {
		t.Errorf("%d refresh tokens are live, want 2", got)
	}
	s.refreshed(c, b)
	s.as(c, "/token", refreshForm(a)).want(400, "invalid_grant")
	s.wantEnded(g.ID)
}

func TestOlderRefreshTokenEndsTheGrant(t *testing.T) {
	tests := []struct {
		name string
		play func(s *stack, c client, root string) (old, current string)
	}{
		{"used a minute ago", func(s *stack, c client, root string) (string, string) {
			next := s.refreshed(c, root)
			s.Clock.Advance(broker.ReuseWindow)
			return root, next
		}},
		{"used before the last use, a moment ago", func(s *stack, c client, root string) (string, string) {
			return root, s.refreshed(c, s.refreshed(c, root))
		}},
		{"a sibling whose sibling was used", func(s *stack, c client, root string) (string, string) {
			a, b := s.refreshed(c, root), s.refreshed(c, root)
			return a, s.refreshed(c, b)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStack(t)
			c := s.public()
			g, first := s.authorized(c)
			old, current := tt.play(s, c, first.text("refresh_token"))
			s.wantStands(g.ID)
			s.as(c, "/token", refreshForm(old)).want(400, "invalid_grant")
			s.wantEnded(g.ID)
			s.as(c, "/token", refreshForm(current)).want(400, "invalid_grant")
			s.wantActive(first.text("access_token"), false)
			if !strings.Contains(s.log.String(), "a refresh token was used again") {
				t.Errorf("the log does not say why the grant ended:\n%s", s.log)
			}
		})
	}
}

func TestRefreshRefusals(t *testing.T) {
	s := newStack(t)
	c, other, confidential := s.public(), s.public(), s.register(dcr.AuthSecretBasic)
	g, first := s.authorized(c)
	token := first.text("refresh_token")
	forged := s.forge(g.ID)
	tests := []struct {
		name string
		as   client
		form string
		code string
	}{
		{"no token", c, "grant_type=refresh_token", "invalid_request"},
		{"empty token", c, refreshForm(""), "invalid_request"},
		{"another client", other, refreshForm(token), "invalid_grant"},
		{"another client with a secret", confidential, refreshForm(token), "invalid_grant"},
		{"a token in another format", c, refreshForm("rt"), "invalid_grant"},
		{"Cognito's own token", c, refreshForm(s.cognitoTokens()[0]), "invalid_grant"},
		{"the access token", c, refreshForm(first.text("access_token")), "invalid_grant"},
		{"a token without a grant", c, refreshForm(s.forge(credential.NewID())), "invalid_grant"},
		// An attacker who has seen the code knows the id of the grant.
		{"forged for this grant", c, refreshForm(forged), "invalid_grant"},
		{"the second half forged", c, refreshForm(token[:len(token)-26] + forged[len(forged)-26:]), "invalid_grant"},
		{"the first half forged", c, refreshForm(token[:33] + forged[33:59] + token[59:]), "invalid_grant"},
		{"cut short", c, refreshForm(token[:len(token)-1]), "invalid_grant"},
		{"another resource", c, refreshForm(token) + "&resource=" + mail, "invalid_target"},
		{"two resources", c, refreshForm(token) + "&resource=" + notes + "&resource=" + mail, "invalid_target"},
		{"a scope that was not granted", c, refreshForm(token) + "&scope=" + notes + "/write", "invalid_scope"},
		{"a scope that was not granted among others", c, refreshForm(token) + "&scope=openid+" + notes + "/read+" + notes + "/write", "invalid_scope"},
		{"a repeated parameter", c, refreshForm(token) + "&refresh_token=" + token, "invalid_request"},
	}
	asked := s.cognito.Calls("token")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { s.as(tt.as, "/token", tt.form).want(400, tt.code) })
	}
	if got := s.cognito.Calls("token"); got != asked {
		t.Errorf("Cognito got %d requests, want 0", got-asked)
	}
	s.wantStands(g.ID)
	s.as(c, "/token", refreshForm(token)+"&resource="+notes+"/&scope=openid+offline_access+"+notes+"/read").want(200, "")
}

// Clients with fixed scopes send them in a refresh, too. The response says what the
// token has.
func TestScopesThatDoNotExistDoNotSpoilARefresh(t *testing.T) {
	s := newStack(t)
	c := s.public()
	_, first := s.authorized(c)
	token := first.text("refresh_token")
	for _, scope := range []string{"openid+email+profile+offline_access", "mcp%3Atools", notes + "/read+nonsense"} {
		a := s.as(c, "/token", refreshForm(token)+"&scope="+scope).want(200, "")
		if got := a.text("scope"); got != first.text("scope") {
			t.Errorf("scope=%s: scope = %q, want that of the grant, %q", scope, got, first.text("scope"))
		}
		token = a.text("refresh_token")
	}
}

func TestParallelRefreshesAllGetTokens(t *testing.T) {
	s := newStack(t)
	c := s.public()
	g, first := s.authorized(c)
	const n = 8
	var mu sync.Mutex
	next := make(map[string]bool)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			a := s.as(c, "/token", refreshForm(first.text("refresh_token"))).want(200, "")
			mu.Lock()
			defer mu.Unlock()
			next[a.text("refresh_token")] = true
		})
	}
	wg.Wait()
	stored := s.wantStands(g.ID)
	if len(next) != n || len(stored.Live) != n {
		t.Errorf("%d different refresh tokens, %d live ones, want %d", len(next), len(stored.Live), n)
	}
	// The next request is refused, and the other tokens stay valid.
	s.as(c, "/token", refreshForm(first.text("refresh_token"))).want(400, "invalid_grant")
	s.wantStands(g.ID)
	for token := range next {
		s.refreshed(c, token)
		break
	}
}

// Cognito refuses a user who was disabled or signed out everywhere. Such a user
// loses access at the broker too.
func TestUserWhomCognitoRefusesLosesTheGrant(t *testing.T) {
	for _, endpoint := range []string{"code", "refresh token"} {
		t.Run(endpoint, func(t *testing.T) {
			s := newStack(t)
			c := s.public()
			up := s.signIn()
			form, id := "", ""
			if endpoint == "code" {
				s.Clock.Advance(time.Hour) // so that the access token has to be renewed
				g, code := s.allow(c, up)
				form, id = codeForm(code), g.ID
			} else {
				g, code := s.allow(c, up)
				form, id = refreshForm(s.as(c, "/token", codeForm(code)).text("refresh_token")), g.ID
			}
			if err := s.up.Revoke(t.Context(), s.app(shared), up.RefreshToken); err != nil {
				t.Fatal(err)
			}
			s.as(c, "/token", form).want(400, "invalid_grant")
			s.wantEnded(id)
		})
	}
}

func TestGrantExpiresWithCognitosRefreshToken(t *testing.T) {
	s := newStack(t)
	c := s.public()
	_, first := s.authorized(c)
	s.Clock.Advance(31 * 24 * time.Hour)
	s.as(c, "/token", refreshForm(first.text("refresh_token"))).want(400, "invalid_grant")
}

func TestGrantEndsWhenItsAppClientIsDeleted(t *testing.T) {
	tests := []struct {
		name   string
		change func(s *stack)
	}{
		{"made again", func(s *stack) { s.makeApp(shared, "openid", notes+"/read") }},
		{"removed", func(s *stack) {
			a, err := s.Inner.AppClient(s.T.Context(), shared)
			if err == nil {
				err = s.Inner.DeleteAppClient(s.T.Context(), shared, a.Version)
			}
			if err != nil {
				s.T.Fatal(err)
			}
		}},
		{"being removed", func(s *stack) {
			a, err := s.Inner.AppClient(s.T.Context(), shared)
			if err == nil {
				a.State = broker.AppClientRemoving
				err = s.Inner.ReplaceAppClient(s.T.Context(), a)
			}
			if err != nil {
				s.T.Fatal(err)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStack(t)
			c := s.public()
			g, first := s.authorized(c)
			tt.change(s)
			s.as(c, "/token", refreshForm(first.text("refresh_token"))).want(400, "invalid_grant")
			stored, err := s.Inner.Grant(t.Context(), g.ID)
			if err != nil || stored.Unfinished() {
				t.Errorf("grant: %v, ended at %v; want it ended", err, stored.EndedAt)
			}
		})
	}
}

// The secret of an app client can change at Cognito while it is cached here.
func TestChangedSecretOfAnAppClientIsReadAgain(t *testing.T) {
	s := newStack(t)
	c := s.public()
	_, first := s.authorized(c)
	token := s.refreshed(c, first.text("refresh_token"))

	a := s.AppClient(shared)
	api, poolID, id := s.cognito.API(), aws.String(world.PoolID), aws.String(a.CognitoID)
	old, err := api.ListUserPoolClientSecrets(t.Context(), &cip.ListUserPoolClientSecretsInput{UserPoolId: poolID, ClientId: id})
	if err != nil {
		t.Fatal(err)
	}
	added, err := api.AddUserPoolClientSecret(t.Context(), &cip.AddUserPoolClientSecretInput{UserPoolId: poolID, ClientId: id})
	if err != nil {
		t.Fatal(err)
	}
	_, err = api.DeleteUserPoolClientSecret(t.Context(), &cip.DeleteUserPoolClientSecretInput{
		UserPoolId: poolID, ClientId: id, ClientSecretId: old.ClientSecrets[0].ClientSecretId,
	})
	if err != nil {
		t.Fatal(err)
	}

	// Until the record has the new secret, the answer is 503 and the refresh
	// token stays valid.
	s.as(c, "/token", refreshForm(token)).want(503, "temporarily_unavailable")
	secret := *added.ClientSecretDescriptor.ClientSecretValue
	s.innerSecret(secret)
	a.Secret = s.Keys.Seal(broker.SecretPurpose, a.SecretOwner(), secret)
	if err := s.Inner.ReplaceAppClient(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	s.refreshed(c, token)
}

// An operator may have switched Cognito's rotation on.
func TestRefreshTokenThatCognitoRotatesIsStored(t *testing.T) {
	s := newStack(t)
	c := s.public()
	_, first := s.authorized(c)
	s.rotate()
	token := first.text("refresh_token")
	for range 3 {
		s.Clock.Advance(time.Minute)
		token = s.refreshed(c, token)
	}
}

// With wrong keys the broker can open nothing, and it destroys nothing.
func TestWithWrongKeysNothingIsReadAndNothingIsLost(t *testing.T) {
	s := newStack(t)
	c := s.public()
	up := s.signIn()
	g, first := s.allow(c, up)
	token := s.as(c, "/token", codeForm(first)).text("refresh_token")
	other := fake.Ring(t)
	s.start(other)
	s.as(c, "/token", refreshForm(token)).want(503, "temporarily_unavailable")
	s.start(s.Keys)
	s.wantStands(g.ID)
	s.refreshed(c, token)

	// A row that was moved to another id cannot be opened.
	moved := g.Clone()
	moved.ID = broker.GrantID(s.Keys, "another origin", 0)
	moved.TokensID = credential.NewID()
	tokens, err := s.Inner.Tokens(t.Context(), g.TokensID)
	if err != nil {
		t.Fatal(err)
	}
	code := credential.DerivedAuthorizationCode("secret", moved.ID)
	tokens.ID, tokens.Code.Hash = moved.TokensID, code.Hash()
	if err := errors.Join(s.Inner.CreateGrant(t.Context(), moved), s.Inner.CreateTokens(t.Context(), tokens)); err != nil {
		t.Fatal(err)
	}
	s.as(c, "/token", codeForm(code.Reveal())).want(503, "temporarily_unavailable")
}

func TestRequestsSurviveEachFaultOfCognito(t *testing.T) {
	faults := []struct {
		name   string
		effect emulator.Effect
	}{
		{"fails before", emulator.FailBefore}, {"fails after", emulator.FailAfter}, {"cut before", emulator.CutBefore},
		{"cut after", emulator.CutAfter}, {"throttled", emulator.Throttle}, {"slow before", emulator.SlowBefore}, {"slow after", emulator.SlowAfter},
	}
	for _, tt := range faults {
		t.Run(tt.name, func(t *testing.T) {
			s := newStack(t)
			c := s.public()
			up := s.signIn()
			s.Clock.Advance(time.Hour) // so that the code needs Cognito
			g, code := s.allow(c, up)
			fails := func(form string) {
				t.Helper()
				s.cognito.Faults().Inject("token", emulator.Fault{Effect: tt.effect, Times: 1})
				send := func() { s.as(c, "/token", form).want(503, "temporarily_unavailable") }
				if tt.effect == emulator.SlowBefore || tt.effect == emulator.SlowAfter {
					s.impatient(send)
				} else {
					send()
				}
			}
			fails(codeForm(code))
			token := s.as(c, "/token", codeForm(code)).want(200, "").text("refresh_token")

			fails(refreshForm(token))
			s.wantStands(g.ID)
			s.refreshed(c, token)
		})
	}
}

// A grant that ends while Cognito does not answer yields no more tokens. The
// next request with a token of the grant revokes Cognito's tokens.
func TestGrantEndsWhileCognitoIsDown(t *testing.T) {
	s := newStack(t)
	c := s.public()
	g, code := s.code(c)
	first := s.as(c, "/token", codeForm(code)).want(200, "")
	s.cognito.Faults().Inject("revoke", emulator.Fault{Effect: emulator.FailBefore, Times: 1})
	s.as(c, "/token", codeForm(code)).want(400, "invalid_grant")
	s.wantActive(first.text("access_token"), false)
	stored, err := s.Inner.Grant(t.Context(), g.ID)
	if err != nil || stored.EndedAt.IsZero() || s.Tokens(stored).RefreshToken == "" {
		t.Fatalf("grant: %v, ended at %v, tokens stored: %t; want it ended, with its tokens stored to be revoked", err, stored.EndedAt, stored.Unfinished())
	}
	s.as(c, "/token", refreshForm(first.text("refresh_token"))).want(400, "invalid_grant")
	s.wantEnded(g.ID)
}

// A client that steps up by a refresh learns that the user has not granted the scope,
// and where to ask for it. It must not conclude that it is not allowed the scope.
func TestARefreshForMoreScopeSaysWhereToAskForIt(t *testing.T) {
	s := newStack(t)
	c := s.public()
	g, first := s.authorized(c)
	a := s.as(c, "/token", refreshForm(first.text("refresh_token"))+"&scope="+notes+"/read+"+notes+"/write").want(400, "invalid_scope")
	got := a.text("error_description")
	for _, want := range []string{notes + "/write", "was not granted by the user", "/authorize"} {
		if !strings.Contains(got, want) {
			t.Errorf("error_description = %q, want it to contain %q", got, want)
		}
	}
	if strings.Contains(got, "client may not have") {
		t.Errorf("error_description = %q: the client may have the scope", got)
	}
	s.wantStands(g.ID)
	s.refreshed(c, first.text("refresh_token"))
}

package token_test

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

func TestCodeReturnsCognitosAccessTokenAndTheBrokersRefreshToken(t *testing.T) {
	for _, method := range []string{dcr.AuthNone, dcr.AuthSecretBasic, dcr.AuthSecretPost} {
		t.Run(method, func(t *testing.T) {
			s := newStack(t)
			c := s.register(method)
			up := s.signIn()
			g, code := s.allow(c, up)
			asked := s.cognito.Calls("token")
			a := s.as(c, "/token", codeForm(code)).want(200, "")
			if got, want := slices.Sorted(maps.Keys(a.body)), []string{"access_token", "expires_in", "refresh_token", "scope", "token_type"}; !slices.Equal(got, want) {
				t.Errorf("members %q, want %q, above all no ID token", got, want)
			}
			if a.text("access_token") != up.AccessToken || a.text("token_type") != "Bearer" || a.text("scope") != notes+"/read" {
				t.Errorf("got %s, want Cognito's access token, Bearer, and the scope without openid", a.raw)
			}
			// The clock is between two seconds, and exp is in whole seconds.
			if got := a.number("expires_in"); got != 3599 {
				t.Errorf("expires_in = %v, want 3599, the time until exp", got)
			}
			if rt := a.text("refresh_token"); !strings.HasPrefix(rt, "dcr_rt_"+g.ID) {
				t.Errorf("refresh_token = %q, want a token of the broker with the id of the grant", rt)
			}
			if got := s.cognito.Calls("token") - asked; got != 0 {
				t.Errorf("Cognito's token endpoint got %d requests, want 0: the access token is new", got)
			}
			stored := s.wantStands(g.ID)
			if !stored.CodeUsed || len(stored.Live) != 1 || !stored.Live[0].Matches(credential.Presented(a.text("refresh_token"))) {
				t.Errorf("stored: code used %t, live %v; want the code used and the hash of the refresh token", stored.CodeUsed, stored.Live)
			}
			if reg, err := s.Inner.Registration(t.Context(), c.ClientID); err != nil || !reg.LastUsedAt.Equal(s.Clock.Second()) {
				t.Errorf("last use recorded: %v, %v; want %v", reg.LastUsedAt, err, s.Clock.Second())
			}
		})
	}
}

func TestCodeTakesFiveCallsOfTheStore(t *testing.T) {
	s := newStack(t)
	c := s.public()
	_, code := s.code(c)
	s.Store.Reset()
	s.as(c, "/token", codeForm(code)).want(200, "")
	got := map[string]int{}
	for _, m := range s.Store.Methods() {
		got[m] = s.Store.Calls(m)
	}
	maps.DeleteFunc(got, func(_ string, n int) bool { return n == 0 })
	if want := map[string]int{"Registration": 1, "Grant": 1, "Tokens": 1, "ReplaceGrant": 1, "TouchRegistration": 1}; !maps.Equal(got, want) {
		t.Errorf("calls %v, want %v", got, want)
	}
}

func TestAccessTokenIsRenewedIfLessThanHalfOfItIsLeft(t *testing.T) {
	tests := []struct {
		passed  time.Duration
		renewed bool
		want    float64
	}{
		{0, false, 3599},
		{30*time.Minute - time.Second, false, 1800},
		{30*time.Minute + time.Second, true, 3599},
		{2 * time.Hour, true, 3599}, // expired long ago
	}
	for _, tt := range tests {
		t.Run(tt.passed.String(), func(t *testing.T) {
			s := newStack(t)
			c := s.public()
			up := s.signIn()
			s.Clock.Advance(tt.passed)
			_, code := s.allow(c, up)
			a := s.as(c, "/token", codeForm(code)).want(200, "")
			if got := a.text("access_token") != up.AccessToken; got != tt.renewed {
				t.Errorf("renewed: %t, want %t", got, tt.renewed)
			}
			if got := a.number("expires_in"); got != tt.want {
				t.Errorf("expires_in = %v, want %v", got, tt.want)
			}
			s.wantActive(a.text("access_token"), true)
		})
	}
}

// with returns the form of a code with another value of one parameter.
func with(code, name, value string) string {
	q, err := url.ParseQuery(codeForm(code))
	if err != nil {
		panic(err)
	}
	q.Set(name, value)
	return q.Encode()
}

func TestCodeRefusals(t *testing.T) {
	s := newStack(t)
	c, other := s.register(dcr.AuthSecretBasic), s.public()
	confidential := s.register(dcr.AuthSecretPost)
	norefresh := s.register(dcr.AuthNone, func(r *broker.Registration) { r.Metadata.GrantTypes = []string{dcr.GrantAuthorizationCode} })
	direct := s.register(dcr.AuthNone, func(r *broker.Registration) { r.Mode = broker.ModeDirect })
	disabled := s.register(dcr.AuthNone, func(r *broker.Registration) { r.State = broker.RegistrationDisabled })
	deleting := s.register(dcr.AuthNone, func(r *broker.Registration) { r.State = broker.RegistrationDeleting })
	g, code := s.code(c)
	right := basic(c.ClientID, c.secret)
	id := "&client_id="
	otherCode := credential.DerivedAuthorizationCode("another secret", g.ID).Reveal()
	unknown := credential.DerivedAuthorizationCode("secret", credential.NewID()).Reveal()
	refresh := s.forge(g.ID)

	tests := []struct {
		name, authorization, form string
		status                    int
		code                      string
	}{
		{"no client", "", codeForm(code), 401, "invalid_client"},
		{"unknown client", "", codeForm(code) + id + "nobody", 401, "invalid_client"},
		{"client of direct mode", "", codeForm(code) + id + direct.ClientID, 401, "invalid_client"},
		{"disabled client", "", codeForm(code) + id + disabled.ClientID, 400, "unauthorized_client"},
		{"client being deleted", "", codeForm(code) + id + deleting.ClientID, 401, "invalid_client"},
		{"no secret", "", codeForm(code) + id + c.ClientID, 401, "invalid_client"},
		{"empty secret", basic(c.ClientID, ""), codeForm(code), 401, "invalid_client"},
		{"wrong secret", basic(c.ClientID, c.secret+"a"), codeForm(code), 401, "invalid_client"},
		{"wrong secret in the body", "", codeForm(code) + id + c.ClientID + "&client_secret=" + confidential.secret, 401, "invalid_client"},
		{"the hash in place of the secret", basic(c.ClientID, c.SecretHash.String()), codeForm(code), 401, "invalid_client"},
		{"public client with a secret", basic(other.ClientID, c.secret), codeForm(code), 401, "invalid_client"},
		{"secret twice", right, codeForm(code) + "&client_secret=" + c.secret, 400, "invalid_request"},

		{"another public client", "", codeForm(code) + id + other.ClientID, 400, "invalid_grant"},
		{"another client with its own secret", basic(confidential.ClientID, confidential.secret), codeForm(code), 400, "invalid_grant"},
		{"no code", right, with(code, "code", ""), 400, "invalid_request"},
		{"a code in another format", right, with(code, "code", "c0de"), 400, "invalid_grant"},
		{"another code of this grant", right, with(code, "code", otherCode), 400, "invalid_grant"},
		{"a code without a grant", right, with(code, "code", unknown), 400, "invalid_grant"},
		{"a refresh token in place of a code", right, with(code, "code", refresh), 400, "invalid_grant"},
		{"the code in capitals", right, with(code, "code", strings.ToUpper(code)), 400, "invalid_grant"},
		{"the code in place of a refresh token", right, refreshForm(code), 400, "invalid_grant"},

		{"no redirect_uri", right, with(code, "redirect_uri", ""), 400, "invalid_request"},
		{"swapped redirect_uri", right, with(code, "redirect_uri", "https://evil.example/cb"), 400, "invalid_grant"},
		{"redirect_uri with another port", right, with(code, "redirect_uri", "http://localhost:7778/cb"), 400, "invalid_grant"},
		{"redirect_uri with a trailing slash", right, with(code, "redirect_uri", redirect+"/"), 400, "invalid_grant"},
		{"no verifier", right, with(code, "code_verifier", ""), 400, "invalid_request"},
		{"wrong verifier", right, with(code, "code_verifier", strings.Repeat("a", 43)), 400, "invalid_grant"},
		{"the challenge in place of the verifier", right, with(code, "code_verifier", broker.PKCEChallenge(verifier)), 400, "invalid_grant"},
		{"short verifier", right, with(code, "code_verifier", "abc"), 400, "invalid_request"},

		{"another resource", right, with(code, "resource", mail), 400, "invalid_target"},
		{"unknown resource", right, with(code, "resource", "https://evil.example/mcp"), 400, "invalid_target"},
		{"two resources", right, codeForm(code) + "&resource=" + notes + "&resource=" + mail, 400, "invalid_target"},
		{"relative resource", right, with(code, "resource", "/notes"), 400, "invalid_target"},

		{"no grant type", right, with(code, "grant_type", ""), 400, "invalid_request"},
		{"password grant", right, "grant_type=password&username=a&password=b", 400, "unsupported_grant_type"},
		{"client credentials, not registered", right, "grant_type=client_credentials", 400, "unauthorized_client"},
		{"refresh, not registered", "", refreshForm(refresh) + id + norefresh.ClientID, 400, "unauthorized_client"},
		{"repeated parameter", right, codeForm(code) + "&code=" + code, 400, "invalid_request"},
	}
	asked := s.cognito.Calls("token")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := s.post("/token", tt.authorization, tt.form).want(tt.status, tt.code)
			if a.text("error_description") == "" {
				t.Error("no error_description")
			}
			if got, want := a.header.Get("WWW-Authenticate") != "", tt.status == 401 && tt.authorization != ""; got != want {
				t.Errorf("has a challenge: %t, want %t", got, want)
			}
		})
	}
	if got := s.cognito.Calls("token"); got != asked {
		t.Errorf("Cognito got %d requests, want 0", got-asked)
	}
	s.wantStands(g.ID)
	// None of these requests has used up the code.
	s.as(c, "/token", with(code, "resource", notes+"/")).want(200, "")
}

func TestClientsThatAreNotRegisteredGetTheSameAnswer(t *testing.T) {
	s := newStack(t)
	_, code := s.code(s.public())
	unlike := func(a answer) answer { delete(a.body, "request_id"); return a }
	want := unlike(s.post("/token", "", codeForm(code)+"&client_id=nobody"))
	for _, c := range []client{
		s.register(dcr.AuthNone, func(r *broker.Registration) { r.State = broker.RegistrationRemoved }),
		s.register(dcr.AuthNone, func(r *broker.Registration) { r.State = broker.RegistrationDeleting }),
		s.register(dcr.AuthNone, func(r *broker.Registration) { r.Mode = broker.ModeDirect }),
	} {
		if got := unlike(s.as(c, "/token", codeForm(code))); !maps.Equal(got.body, want.body) {
			t.Errorf("got %v, want %v", got.body, want.body)
		}
	}
}

// After invalid_client the client would register again, and wait for approval
// again or be refused.
func TestAClientThatCannotComeBackByRegisteringAgainIsUnauthorized(t *testing.T) {
	s := newStack(t)
	_, code := s.code(s.public())
	for _, state := range []broker.RegistrationState{broker.RegistrationPending, broker.RegistrationDisabled, broker.RegistrationDeleted} {
		c := s.register(dcr.AuthNone, func(r *broker.Registration) { r.State = state })
		s.as(c, "/token", codeForm(code)).want(400, "unauthorized_client")
	}
	removed := s.register(dcr.AuthNone, func(r *broker.Registration) { r.State = broker.RegistrationRemoved })
	s.as(removed, "/token", codeForm(code)).want(401, "invalid_client")
}

func TestCodeLivesFiveMinutes(t *testing.T) {
	s := newStack(t)
	c := s.public()
	up := s.signIn()
	_, code := s.allow(c, up)
	s.Clock.Advance(broker.CodeLifetime)
	s.as(c, "/token", codeForm(code)).want(400, "invalid_grant")
}

func TestSecondUseOfACodeEndsTheGrant(t *testing.T) {
	for _, later := range []time.Duration{0, 10 * time.Second, time.Hour} {
		t.Run(later.String(), func(t *testing.T) {
			s := newStack(t)
			c := s.public()
			g, code := s.code(c)
			a := s.as(c, "/token", codeForm(code)).want(200, "")
			s.wantActive(a.text("access_token"), true)
			s.Clock.Advance(later)
			s.as(c, "/token", codeForm(code)).want(400, "invalid_grant")
			s.wantEnded(g.ID)
			s.wantActive(a.text("access_token"), false)
			s.as(c, "/token", refreshForm(a.text("refresh_token"))).want(400, "invalid_grant")
			if !strings.Contains(s.log.String(), "its code was used twice") {
				t.Errorf("the log does not say why the grant ended:\n%s", s.log)
			}
		})
	}
}

// A code stays in the history of the browser. An attacker who finds it there can
// neither redeem it nor end its grant.
func TestInvalidSecondUseOfACodeEndsNoGrant(t *testing.T) {
	s := newStack(t)
	c, thief := s.public(), s.public()
	g, code := s.code(c)
	a := s.as(c, "/token", codeForm(code)).want(200, "")
	s.as(thief, "/token", codeForm(code)).want(400, "invalid_grant")
	s.as(c, "/token", with(code, "code_verifier", strings.Repeat("a", 43))).want(400, "invalid_grant")
	s.as(c, "/token", with(code, "redirect_uri", "https://evil.example/")).want(400, "invalid_grant")
	s.as(c, "/token", refreshForm("dcr_rt_"+strings.TrimPrefix(code, "dcr_ac_"))).want(400, "invalid_grant")
	s.wantStands(g.ID)
	s.as(c, "/token", refreshForm(a.text("refresh_token"))).want(200, "")
}

func TestCodeIsRedeemedOnceByParallelRequests(t *testing.T) {
	s := newStack(t)
	c := s.public()
	g, code := s.code(c)
	var mu sync.Mutex
	var won, lost int
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			a := s.as(c, "/token", codeForm(code))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case a.status == 200:
				won++
			case a.status == 400 && a.text("error") == "invalid_grant":
				lost++
			default:
				t.Errorf("got %d %s", a.status, a.raw)
			}
		})
	}
	wg.Wait()
	if won != 1 || lost != 7 {
		t.Errorf("%d got tokens and %d did not, want 1 and 7", won, lost)
	}
	s.wantEnded(g.ID)
}

func TestClientThatMayNotRefreshGetsNoRefreshToken(t *testing.T) {
	s := newStack(t)
	c := s.register(dcr.AuthNone, func(r *broker.Registration) { r.Metadata.GrantTypes = []string{dcr.GrantAuthorizationCode} })
	_, code := s.code(c)
	a := s.as(c, "/token", codeForm(code)).want(200, "")
	if got := a.text("refresh_token"); got != "" {
		t.Errorf("refresh_token = %q, want none", got)
	}
}

// A client that was deleted can register again with the same derived id. Its
// former grants stay invalid.
func TestGrantOfAnotherGenerationIsRefused(t *testing.T) {
	s := newStack(t)
	c := s.public()
	g, code := s.code(c)
	first := s.as(c, "/token", codeForm(code)).want(200, "")
	if err := s.Inner.DeleteRegistration(t.Context(), c.ClientID, c.Generation); err != nil {
		t.Fatal(err)
	}
	s.wantActive(first.text("access_token"), false)
	s.as(c, "/token", refreshForm(first.text("refresh_token"))).want(401, "invalid_client")
	again := s.register(dcr.AuthNone, func(r *broker.Registration) { r.ClientID = c.ClientID })
	s.wantActive(first.text("access_token"), false)
	s.as(again, "/token", refreshForm(first.text("refresh_token"))).want(400, "invalid_grant")
	s.wantEnded(g.ID)

	_, code = s.allow(c, s.signIn())
	s.as(again, "/token", codeForm(code)).want(400, "invalid_grant")
}

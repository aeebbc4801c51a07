package authorization_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/authorization"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/token"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/must"
	kit "github.com/dcr-broker/dcr-broker/test/world"
)

const redirect = "https://app.example.com/cb"

// stack has a Flow and an Issuer on one store, and one client.
type stack struct {
	*kit.Brokered
	oauth  *fake.OAuth
	flow   *authorization.Flow
	issuer *token.Issuer
	client string
}

func newStack(t *testing.T) *stack {
	t.Helper()
	const document = `{"version":1,"profiles":{"open":{"redirect_uris":{"any_https":true},"app_client":"shared","consent":"remember"}}}`
	s := &stack{Brokered: kit.NewBrokeredWith(t, kit.Options{Policy: document, Branding: true})}
	s.oauth = fake.NewOAuth(s.Now)
	s.client = s.AddClient(dcr.ClientMetadata{
		RedirectURIs: []string{redirect}, TokenEndpointAuthMethod: dcr.AuthNone, Scope: "mcp/read",
		GrantTypes: []string{dcr.GrantAuthorizationCode, dcr.GrantRefreshToken}, ResponseTypes: []string{dcr.ResponseTypeCode},
	}).ClientID
	var err error
	if s.flow, err = authorization.New(s.FlowConfig(s.oauth)); err != nil {
		t.Fatal(err)
	}
	c := s.IssuerConfig(s.Store, s.oauth)
	c.AccessTokens = noTokens{}
	if s.issuer, err = token.New(c); err != nil {
		t.Fatal(err)
	}
	return s
}

// noTokens recognizes no access token.
type noTokens struct{}

func (noTokens) Verify(context.Context, string) (token.Claims, error) {
	return token.Claims{}, token.ErrInvalidAccessToken
}

// visit is a transaction of a browser.
type visit struct {
	*stack
	secret   authorization.Secret
	callback authorization.Callback
	origin   string // origin_jti of the sign-in
}

// begin begins a transaction, and ann signs in.
func (s *stack) begin() *visit {
	s.T.Helper()
	started, err := s.flow.Begin(s.T.Context(), authorization.Request{
		ClientID: s.client, RedirectURI: redirect, ResponseType: "code", Scope: "mcp/read",
		Challenge: broker.PKCEChallenge(kit.Verifier), ChallengeMethod: "S256",
	})
	if err != nil {
		s.T.Fatal(err)
	}
	v := &visit{stack: s, secret: started.Secret}
	if v.callback.Code, v.callback.State, v.origin, err = s.oauth.SignIn(started.SignInURL, "ann"); err != nil {
		s.T.Fatal(err)
	}
	return v
}

func (v *visit) signedIn() (string, error) {
	return v.flow.SignedIn(v.T.Context(), v.secret, v.callback)
}

// csrf returns what the form of the consent page sends.
func (v *visit) csrf() string {
	v.T.Helper()
	q, err := v.flow.Ask(v.T.Context(), v.secret)
	if err != nil {
		v.T.Fatal(err)
	}
	return q.CSRF
}

func (v *visit) allow(csrf string) (string, error) {
	o, err := v.flow.Decide(v.T.Context(), v.secret, authorization.Allow, csrf)
	return o.URL, err
}

// redeem sends a code to the Issuer.
func (s *stack) redeem(code string) (*token.Response, error) {
	return s.issuer.Token(s.T.Context(), token.Request{
		Client: clients.Credentials{ID: s.client}, GrantType: dcr.GrantAuthorizationCode, Code: code, RedirectURI: redirect, Verifier: kit.Verifier,
	})
}

// A plan says how the next call of each of these methods fails.
type plan map[string]fake.Point

func (p plan) String() string {
	var parts []string
	for _, method := range slices.Sorted(maps.Keys(p)) {
		parts = append(parts, method+" "+p[method].String())
	}
	return strings.Join(parts, "; ")
}

// onlyReplyLost reports whether one call fails, after its effect.
func onlyReplyLost(p plan) bool {
	return len(p) == 1 && slices.Contains(slices.Collect(maps.Values(p)), fake.ReplyLost)
}

// plans returns every choice of at most three of the methods and of the ways in
// which they fail.
func plans(methods ...string) []plan {
	if len(methods) == 0 {
		return []plan{{}}
	}
	var all []plan
	for _, rest := range plans(methods[1:]...) {
		all = append(all, rest)
		if len(rest) == 3 {
			continue
		}
		for _, point := range kit.Points {
			p := maps.Clone(rest)
			p[methods[0]] = point
			all = append(all, p)
		}
	}
	return all
}

// Any of the calls that store a grant fail, in both ways. Then either the client
// gets a code that can be redeemed, or it gets an error and the sign-in is over.
func TestAGrantAfterAnyFaults(t *testing.T) {
	scenes := map[string]func(s *stack) (v *visit, act, again func() (string, error)){
		"decision": func(s *stack) (*visit, func() (string, error), func() (string, error)) {
			v := s.begin()
			if to, err := v.signedIn(); to != "" || err != nil {
				s.T.Fatalf("SignedIn = %q, %v, want the consent page", to, err)
			}
			csrf := v.csrf()
			allow := func() (string, error) { return v.allow(csrf) }
			return v, allow, allow
		},
		"callback, the consent is remembered": func(s *stack) (*visit, func() (string, error), func() (string, error)) {
			first := s.begin()
			if _, err := first.signedIn(); err != nil {
				s.T.Fatal(err)
			}
			if _, err := first.allow(first.csrf()); err != nil {
				s.T.Fatal(err)
			}
			v := s.begin()
			return v, v.signedIn, nil
		},
	}
	for name, scene := range scenes {
		for _, plan := range plans("CreateTokens", "Tokens", "CreateGrant", "Grant", "DeleteTokens") {
			t.Run(name+"/"+plan.String(), func(t *testing.T) {
				s := newStack(t)
				v, act, again := scene(s)
				s.Store.Reset()
				for method, point := range plan {
					s.Store.FailNext(method, 1, point)
				}
				to, err := act()
				_, deletionFails := plan["DeleteTokens"]
				kept := deletionFails && s.Store.Calls("DeleteTokens") > 0
				s.Store.Reset()
				if again != nil {
					if second, err := again(); err == nil && second != to {
						t.Errorf("the second decision leads to %q, %v, the first to %q", second, err, to)
					}
				}
				if err != nil {
					if onlyReplyLost(plan) {
						t.Errorf("error %v, want a code, because everything is stored", err)
					}
					v.wantOver(err, kept)
					return
				}
				v.wantCode(to)
			})
		}
	}
}

// code returns the code that the browser's transaction has for a grant.
func (v *visit) code(grantID string) string {
	return credential.DerivedAuthorizationCode(v.secret.Reveal(), grantID).Reveal()
}

// revoked reports whether Cognito's refresh token was revoked.
func (v *visit) revoked() bool {
	return slices.ContainsFunc(v.oauth.SignIns(), func(s fake.SignIn) bool { return s.Origin == v.origin && s.Revoked })
}

// stored returns the tokens of v's transaction for the grant with this id, or nil.
func (v *visit) stored(grantID string) *broker.SealedTokens {
	v.T.Helper()
	key := credential.Presented(v.secret.Reveal()).Hash()
	tokens, err := v.Inner.Tokens(v.T.Context(), broker.TokensID(v.Keys, grantID, key))
	if err != nil && !errors.Is(err, broker.ErrNotFound) {
		v.T.Fatal(err)
	}
	return tokens
}

// wantCode checks that the client can redeem the code in its redirect URI, and
// use the refresh token.
func (v *visit) wantCode(to string) {
	v.T.Helper()
	code := must.ParseURL(v.T, to).Query().Get("code")
	id := broker.GrantID(v.Keys, v.origin, 0)
	if code != v.code(id) {
		v.T.Fatalf("the client is sent to %s, want the code of the grant %s", to, id)
	}
	if v.revoked() {
		v.T.Error("Cognito's refresh token was revoked")
	}
	a, err := v.redeem(code)
	if err != nil {
		v.T.Fatalf("the code cannot be redeemed: %v", err)
	}
	_, err = v.issuer.Token(v.T.Context(), token.Request{
		Client: clients.Credentials{ID: v.client}, GrantType: dcr.GrantRefreshToken, RefreshToken: credential.Presented(a.RefreshToken),
	})
	if err != nil {
		v.T.Errorf("the refresh token: %v", err)
	}
}

// wantOver checks that the client got an error, and that nothing is left of the
// sign-in. kept means that the tokens could not be deleted.
func (v *visit) wantOver(err error, kept bool) {
	v.T.Helper()
	denial, ok := errors.AsType[*authorization.Denial](err)
	if !ok || denial.Refusal.Code != dcr.Unavailable || must.ParseURL(v.T, denial.URL()).Query().Get("code") != "" {
		v.T.Errorf("error %v, want temporarily_unavailable for the client", err)
	}
	if !v.revoked() {
		v.T.Error("Cognito's refresh token was not revoked")
	}
	for n := range broker.MaxGrants {
		id := broker.GrantID(v.Keys, v.origin, n)
		stored := v.stored(id)
		if kept {
			if stored != nil && stored.ExpiresAt.IsZero() {
				v.T.Error("the tokens that could not be deleted never expire")
			}
			continue
		}
		if stored != nil {
			v.T.Errorf("tokens of the grant %s are left: %+v", id, stored)
		}
		_, err := v.redeem(v.code(id))
		kit.WantCode(v.T, "the code that the client did not get", err, broker.InvalidGrant)
	}
	if q, err := v.flow.Ask(v.T.Context(), v.secret); err == nil {
		v.T.Errorf("the consent page leads to %q, want no page", q.ClientURL)
	}
}

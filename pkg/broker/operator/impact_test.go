package operator_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/authorization"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/janitor"
	"github.com/dcr-broker/dcr-broker/pkg/broker/operator"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/broker/token"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/world"
)

// before is the configuration under which the clients register: fable openly
// and gable with an initial access token. Each has a grant for files.
const before = `{"version": 1,
	"scopes": [{"name": "files/read"}, {"name": "files/write"}, {"name": "mail/send"}],
	"protected_resources": [
		{"resource": "https://files.example.com/mcp", "scopes": ["files/read", "files/write"]},
		{"resource": "https://mail.example.com/mcp", "scopes": ["mail/send"],
			"introspection_clients": [{"id": "mail", "secret_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}]}],
	"open_registration": "open",
	"identity_providers": ["COGNITO", "Okta"],
	"profiles": {
		"open": {"redirect_uris": {"https": ["https://fable.example.com/cb", "https://fable.example.com/other"]}},
		"partner": {"redirect_uris": {"any_https": true}, "app_client": "shared", "token_endpoint_auth_methods": ["none", "client_secret_basic"]}}}`

const (
	fable = `{"client_name":"Fable","redirect_uris":["https://fable.example.com/cb","https://fable.example.com/other"],"token_endpoint_auth_method":"none"}`
	gable = `{"client_name":"Gable","redirect_uris":["https://gable.example.com/cb"],"token_endpoint_auth_method":"none","scope":"files/read files/write"}`
)

// changed is a deployment whose configuration changes, with the real use cases.
type changed struct {
	*world.Brokered
	conf         *configuration.Configuration
	fable, gable string
	flow         *authorization.Flow
	issuer       *token.Issuer
	// refreshTokens are those of the grants, by client.
	refreshTokens map[string]credential.Token
}

// signsIn answers for Cognito.
type signsIn struct{ w *changed }

func (signsIn) AuthorizeURL(v url.Values) string         { return "https://cognito.example.com/?" + v.Encode() }
func (signsIn) LogoutURL(appID, signedOut string) string { return signedOut }
func (signsIn) Redeem(context.Context, broker.AppCredentials, string, string, string) (broker.Tokens, error) {
	return broker.Tokens{}, errors.New("not used here")
}
func (signsIn) ClientCredentials(context.Context, broker.AppCredentials, []string) (broker.Tokens, error) {
	return broker.Tokens{}, errors.New("not used here")
}
func (signsIn) UserInfo(context.Context, string) (broker.UserInfo, error) {
	return broker.UserInfo{}, errors.New("not used here")
}
func (signsIn) Revoke(context.Context, broker.AppCredentials, string) error { return nil }
func (s signsIn) Refresh(_ context.Context, app broker.AppCredentials, refreshToken string) (broker.Tokens, error) {
	return s.w.tokens(app)
}

func (w *changed) tokens(app broker.AppCredentials) (broker.Tokens, error) {
	now := w.Now().Unix()
	return broker.ParseTokens(app,
		fake.JWT(map[string]any{"sub": "ann", "scope": "openid files/read files/write", "origin_jti": app.ID, "iat": now, "exp": now + 3600}), "refresh",
		fake.JWT(map[string]any{"sub": "ann", "aud": app.ID, "cognito:username": "Okta_1", "identities": []map[string]string{{"providerName": "Okta", "userId": "1"}}}))
}

type noTokens struct{}

func (noTokens) Verify(context.Context, string) (token.Claims, error) {
	return token.Claims{}, token.ErrInvalidAccessToken
}

func parse(t *testing.T, document string) *configuration.Configuration {
	t.Helper()
	c, err := configuration.Parse([]byte(document), broker.Deployment{ID: "test", Mode: broker.ModeBrokered, Issuer: "https://auth.example.com", LoginVersion: 2})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newChanged(t *testing.T) *changed {
	t.Helper()
	w := &changed{Brokered: world.NewBrokered(t), conf: parse(t, before), refreshTokens: make(map[string]credential.Token)}
	b, err := world.Assemble(world.Parts{
		Mode: broker.ModeBrokered, Store: w.Store, Pool: w.Pool, Maker: w.Pool, Branding: true, Grants: w.Grants, Keys: w.Ring,
		Policy: func(context.Context) (*policy.Policy, error) { return w.conf.Policy, nil }, Now: w.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Broker = b
	get := func(context.Context) (*configuration.Configuration, error) { return w.conf, nil }
	flow := w.FlowConfig(signsIn{w})
	flow.Configuration, flow.Provisioner = get, b.Provisioner
	if w.flow, err = authorization.New(flow); err != nil {
		t.Fatal(err)
	}
	tokens := w.IssuerConfig(w.Inner, signsIn{w})
	tokens.Configuration, tokens.Provisioner, tokens.AccessTokens = get, b.Provisioner, noTokens{}
	if w.issuer, err = token.New(tokens); err != nil {
		t.Fatal(err)
	}
	info, _ := w.MustRegister(fable, world.None)
	w.fable = info.ClientID
	w.gable, _ = w.Vouched("partner", gable)
	for _, id := range []string{w.fable, w.gable} {
		if got := w.authorize(id, "https://files.example.com/mcp", "files/read"); got != "signs in" {
			t.Fatalf("before the change: %s", got)
		}
		w.Use(id)
		w.allow(id)
	}
	return w
}

// redirectURI returns the first redirect URI of a client.
func (w *changed) redirectURI(id string) string {
	return w.Registration(id).Metadata.RedirectURIs[0]
}

// authorize sends a user to /authorize. It returns "signs in" or what the broker
// answers instead.
func (w *changed) authorize(id, resource, scope string) string {
	_, err := w.flow.Begin(w.T.Context(), authorization.Request{
		ClientID: id, RedirectURI: w.redirectURI(id), ResponseType: "code", Scope: scope, Challenge: broker.PKCEChallenge(world.Verifier), ChallengeMethod: "S256",
		Resources: slices.DeleteFunc([]string{resource}, func(s string) bool { return s == "" }),
	})
	if denial, ok := errors.AsType[*authorization.Denial](err); ok {
		return string(denial.Refusal.Code)
	}
	if problem, ok := errors.AsType[*authorization.Problem](err); ok {
		return fmt.Sprint("problem: ", problem.Detail)
	}
	if err != nil {
		return err.Error()
	}
	return "signs in"
}

// allow adds a grant for files, and redeems its code.
func (w *changed) allow(id string) {
	w.T.Helper()
	key := w.key(id)
	t, err := w.tokens(w.Credentials(key))
	if err != nil {
		w.T.Fatal(err)
	}
	t.OriginJTI = id
	_, code := w.AddGrant(w.Registration(id), t, w.redirectURI(id), func(g *broker.Grant) {
		g.Resource, g.AppClient, g.CognitoID, g.Scopes = "https://files.example.com/mcp", key, w.AppClient(key).CognitoID, []string{"files/read", "files/write"}
		g.User.IdentityProviders = []string{"Okta"}
	})
	a, err := w.issuer.Token(w.T.Context(), token.Request{
		Client: clients.Credentials{ID: id}, GrantType: dcr.GrantAuthorizationCode, Code: code.Reveal(), RedirectURI: w.redirectURI(id), Verifier: world.Verifier,
	})
	if err != nil {
		w.T.Fatal(err)
	}
	w.refreshTokens[id] = credential.Presented(a.RefreshToken)
}

func (w *changed) key(id string) string {
	p, _ := w.conf.Policy.Profile(w.Registration(id).Profile)
	return policy.AppClientKey(w.Registration(id), p)
}

// refresh refreshes the grant of a client. It returns its scopes, or the error.
func (w *changed) refresh(id string) string {
	a, err := w.issuer.Token(w.T.Context(), token.Request{Client: clients.Credentials{ID: id}, GrantType: dcr.GrantRefreshToken, RefreshToken: w.refreshTokens[id]})
	if err != nil {
		return err.Error()
	}
	w.refreshTokens[id] = credential.Presented(a.RefreshToken)
	return a.Scope
}

// What ImpactOf says about a change is what happens then.
func TestImpact(t *testing.T) {
	const kept, ended = "files/read files/write", "invalid_grant"
	const files, mail = "https://files.example.com/mcp", "https://mail.example.com/mcp"
	replace := func(changes ...string) string { return strings.NewReplacer(changes...).Replace(before) }
	expect := func(t *testing.T, what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	for _, tt := range []struct {
		name, after string
		want        []string
		// refresh is what a refresh of fable and of gable gives.
		fable, gable string
		check        func(*testing.T, *changed)
	}{
		{"nothing", before, nil, kept, kept, func(t *testing.T, w *changed) {
			expect(t, "fable", w.authorize(w.fable, files, "files/read"), "signs in")
		}},
		{"a profile is gone", replace(`"partner"`, `"other"`),
			[]string{"cut_off profile partner: 1 client, 1 grant, 1 ends, 1 token"}, kept, ended, func(t *testing.T, w *changed) {
				expect(t, "gable", w.authorize(w.gable, files, "files/read"), "problem: the client's profile is no longer in the policy")
				expect(t, "fable", w.authorize(w.fable, files, "files/read"), "signs in")
			}},
		{"a scope is gone", replace(`, {"name": "files/write"}`, "", `, "files/write"`, ""),
			[]string{"cut_off scope files/write: 2 clients, 2 grants, 2 end, 0 tokens"}, ended, ended, func(t *testing.T, w *changed) {
				expect(t, "fable", w.authorize(w.fable, files, "files/write"), "signs in") // for the default
				expect(t, "fable", w.authorize(w.fable, files, "files/read files/write"), "signs in")
			}},
		{"no scope is left to a profile", replace(`"app_client": "shared"`, `"app_client": "shared", "scopes": {"allowed": ["mail/send"]}`),
			[]string{"cut_off no_scope partner: 1 client, 1 grant, 1 ends, 0 tokens"}, kept, ended, func(t *testing.T, w *changed) {
				expect(t, "gable", w.authorize(w.gable, files, "files/read"), "invalid_scope")
				expect(t, "gable", w.authorize(w.gable, mail, "mail/send"), "invalid_scope")
			}},
		{"a resource is gone", replace(`{"resource": "https://files.example.com/mcp", "scopes": ["files/read", "files/write"]},`, ""),
			[]string{
				"cut_off no_scope partner: 1 client, 1 grant, 0 tokens", "cut_off resource https://files.example.com/mcp: 2 clients, 2 grants, 0 tokens",
				"cut_off scope files/read: 1 client, 1 grant, 0 tokens", "cut_off scope files/write: 1 client, 1 grant, 0 tokens",
			}, kept, kept, func(t *testing.T, w *changed) {
				expect(t, "fable", w.authorize(w.fable, files, "files/read"), "invalid_target")
				expect(t, "fable", w.authorize(w.fable, mail, "mail/send"), "signs in")
			}},
		{"an introspection client has another secret", replace("9f86", "0000"),
			[]string{"cut_off introspection_client mail: 0 clients, 0 grants, 0 tokens"}, kept, kept, func(t *testing.T, w *changed) {}},
		{"open registration is off", replace(`"open_registration": "open",`, ""),
			[]string{"cut_off open_registration open: 1 client, 1 grant, 0 tokens"}, kept, kept, func(t *testing.T, w *changed) {
				expect(t, "fable", w.authorize(w.fable, files, "files/read"), "signs in")
				req, err := dcr.Decode([]byte(fable))
				if err == nil {
					_, err = w.Broker.Registrar.Register(t.Context(), req, world.None)
				}
				if e, ok := errors.AsType[*dcr.Error](err); !ok || e.Code != dcr.TokenRequired {
					t.Errorf("fable registers again: %v, want that a token is required", err)
				}
			}},
		{"open registration is off, and its profile has dedicated app clients",
			replace(`"open_registration": "open",`, "", `"open": {`, `"open": {"app_client": "dedicated", `),
			[]string{"cut_off app_client open: 1 client, 1 grant, 0 tokens", "cut_off open_registration open: 1 client, 1 grant, 0 tokens"}, kept, kept, func(t *testing.T, w *changed) {
				if got := w.authorize(w.fable, files, "files/read"); got == "signs in" {
					t.Error("fable signs in, although its profile has dedicated app clients now")
				}
			}},
		{"redirect URIs are not allowed", replace(`"https://fable.example.com/cb", `, ""),
			[]string{"stays redirect_uris open: 1 client, 1 grant, 0 tokens"}, kept, kept, func(t *testing.T, w *changed) {
				expect(t, "fable", w.authorize(w.fable, files, "files/read"), "signs in")
			}},
		{"an authentication method is not allowed", replace(`["none", "client_secret_basic"]`, `["client_secret_basic"]`),
			[]string{"stays token_endpoint_auth_methods partner: 1 client, 1 grant, 0 tokens"}, kept, kept, func(t *testing.T, w *changed) {
				expect(t, "gable", w.authorize(w.gable, files, "files/read"), "signs in")
			}},
		{"no refreshes", replace(`"app_client": "shared"`, `"app_client": "shared", "grant_types": ["authorization_code"]`),
			[]string{"cut_off grant_types partner: 1 client, 1 grant, 0 tokens"}, kept, "unauthorized_client", func(t *testing.T, w *changed) {
				expect(t, "gable", w.authorize(w.gable, files, "files/read"), "signs in")
			}},
		{"no sign-ins", replace(`"app_client": "shared"`, `"grant_types": ["client_credentials"]`),
			[]string{"cut_off grant_types partner: 1 client, 1 grant, 0 tokens"}, kept, "unauthorized_client", func(t *testing.T, w *changed) {
				expect(t, "gable", w.authorize(w.gable, files, "files/read"), "unauthorized_client")
			}},
		{"other users", replace(`"any_https": true}`, `"any_https": true}, "users": {"groups": ["staff"]}`),
			[]string{"unknown users partner: 1 client, 1 grant, 0 tokens"}, kept, ended, func(t *testing.T, w *changed) {
				expect(t, "gable", w.authorize(w.gable, files, "files/read"), "signs in") // the user is checked after the sign-in
			}},
		{"other providers", replace(`"any_https": true}`, `"any_https": true}, "users": {"identity_providers": ["COGNITO"]}`),
			[]string{"unknown users partner: 1 client, 1 grant, 1 ends, 0 tokens"}, kept, ended, func(t *testing.T, w *changed) {}},
		{"the same providers", replace(`"any_https": true}`, `"any_https": true}, "users": {"identity_providers": ["Okta"]}`),
			[]string{"unknown users partner: 1 client, 1 grant, 0 tokens"}, kept, kept, func(t *testing.T, w *changed) {}},
		{"an identity provider is gone", replace(`, "Okta"`, ""),
			[]string{"unknown identity_provider Okta: 2 clients, 2 grants, 0 tokens"}, kept, kept, func(t *testing.T, w *changed) {}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newChanged(t)
			w.Token("partner", 1)
			after := parse(t, tt.after)
			impact := w.impact(after)
			if impact.Registrations != 2 || impact.Grants != 2 {
				t.Errorf("%d registrations and %d grants were read, want 2 of each", impact.Registrations, impact.Grants)
			}
			if got := texts(impact); !slices.Equal(got, tt.want) {
				t.Errorf("ImpactOf =\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
			w.conf = after
			tt.check(t, w)
			for id, want := range map[string]string{w.fable: tt.fable, w.gable: tt.gable} {
				if got, _, _ := strings.Cut(w.refresh(id), ":"); got != want {
					t.Errorf("refresh of %s = %s, want %s", id, got, want)
				}
			}
		})
	}
}

// A grant keeps its scopes when the client gives some of them up. It ends with the
// scope all the same.
func TestImpactOnAScopeThatTheClientHasGivenUp(t *testing.T) {
	after := parse(t, strings.NewReplacer(`, {"name": "files/write"}`, "", `, "files/write"`, "").Replace(before))
	for _, unknown := range []bool{false, true} {
		w := newChanged(t)
		r := w.Registration(w.gable)
		r.Metadata.Scope = "files/read"
		if err := w.Inner.ReplaceRegistration(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if unknown {
			w.conf = nil
		}
		if got, want := texts(w.impact(after)), []string{"cut_off scope files/write: 2 clients, 2 grants, 2 end, 0 tokens"}; !slices.Equal(got, want) {
			t.Errorf("ImpactOf = %q, want %q", got, want)
		}
		w.conf = after
		if got, _, _ := strings.Cut(w.refresh(w.gable), ":"); got != "invalid_grant" {
			t.Errorf("refresh = %s, want invalid_grant", got)
		}
	}
	// What was withdrawn before is not the work of this change.
	w := newChanged(t)
	w.conf = after
	if got := texts(w.impact(after)); len(got) != 0 {
		t.Errorf("ImpactOf without a change = %q, want nothing", got)
	}
}

// A machine gets no tokens while its profile is gone. Its grant to itself stays.
func TestImpactOnAMachine(t *testing.T) {
	w := newChanged(t)
	w.conf = parse(t, strings.Replace(before, `"app_client": "shared",`, `"app_client": "shared", "grant_types": ["authorization_code", "refresh_token", "client_credentials"],`, 1))
	machine, _ := w.Vouched("partner", `{"client_name":"Robot","grant_types":["client_credentials"],"token_endpoint_auth_method":"client_secret_basic","scope":"files/read"}`)
	r := w.Registration(machine)
	w.AddGrant(r, broker.Tokens{OriginJTI: machine}, "", func(g *broker.Grant) { g.User, g.TokensID, g.Scopes = broker.User{}, "", []string{"files/read"} })
	for _, tt := range []struct{ after, want string }{
		{strings.Replace(before, `"partner"`, `"other"`, 1), "cut_off profile partner: 2 clients, 2 grants, 1 ends, 0 tokens"},
		{before, "cut_off grant_types partner: 1 client, 1 grant, 0 tokens"},
	} {
		if got := texts(w.impact(parse(t, tt.after))); !slices.Equal(got, []string{tt.want}) {
			t.Errorf("ImpactOf = %q, want %q", got, tt.want)
		}
	}
}

func (w *changed) impact(after *configuration.Configuration) operator.Impact {
	w.T.Helper()
	impact, err := operator.ImpactOf(w.T.Context(), w.Inner, w.conf, after, broker.ModeBrokered, w.Now(), func(*operator.Impact) {})
	if err != nil {
		w.T.Fatal(err)
	}
	return impact
}

func texts(impact operator.Impact) []string {
	var all []string
	for _, f := range impact.Findings {
		s := func(n int, what string) string {
			return fmt.Sprint(n, " ", what, map[bool]string{true: "", false: "s"}[n == 1])
		}
		subject := f.Subject
		if f.Resource != "" {
			subject += " at " + f.Resource
		}
		grants := s(f.Grants, "grant")
		switch f.Ends {
		case 0:
		case 1:
			grants += ", 1 ends"
		default:
			grants += fmt.Sprintf(", %d end", f.Ends)
		}
		all = append(all, fmt.Sprintf("%s %s %s: %s, %s, %s", f.Effect, f.Rule, subject, s(f.Clients, "client"), grants, s(f.Tokens, "token")))
	}
	return all
}

// The second resource: a request without the parameter resource is refused from
// then on.
func TestImpactOfASecondResource(t *testing.T) {
	w := newChanged(t)
	w.conf = parse(t, one)
	if got := w.authorize(w.fable, "", "files/read"); got != "signs in" {
		t.Fatalf("with one resource: %s", got)
	}
	after := parse(t, before)
	if got, want := texts(w.impact(after)), []string{"unknown resource_parameter 2: 0 clients, 0 grants, 0 tokens"}; !slices.Equal(got, want) {
		t.Errorf("ImpactOf = %q, want %q", got, want)
	}
	w.conf = after
	if got := w.authorize(w.fable, "", "files/read"); got != "invalid_target" {
		t.Errorf("with two resources: %s, want invalid_target", got)
	}
}

// one is before with one resource.
var one = strings.Replace(before, `,
		{"resource": "https://mail.example.com/mcp", "scopes": ["mail/send"],
			"introspection_clients": [{"id": "mail", "secret_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}]}`, "", 1)

// A profile with 50 new scopes: its app client loses the scopes of older grants.
func TestImpactOfTooManyScopes(t *testing.T) {
	w := newChanged(t)
	var scopes []string
	for i := range 50 {
		scopes = append(scopes, fmt.Sprintf(`{"name": "new/s%d"}`, i))
	}
	after := parse(t, strings.NewReplacer(`{"name": "files/read"}, {"name": "files/write"}`, strings.Join(scopes[:48], ","),
		`"files/read", "files/write"`, `"new/s1"`).Replace(before))
	if got, want := texts(w.impact(after)), "unknown app_client_scopes partner: 1 client, 1 grant, 0 tokens"; !slices.Contains(got, want) {
		t.Errorf("ImpactOf = %q, want %q", got, want)
	}
	w.conf = after
	p, _ := after.Policy.Profile("partner")
	if _, err := w.Broker.Maintainer.ApplyProfile(t.Context(), p, "ops"); err != nil {
		t.Fatal(err)
	}
	if a := w.AppClient("profile/partner"); slices.Contains(a.Scopes, "files/read") || len(a.Scopes) > policy.MaxScopes {
		t.Errorf("the app client has %d scopes, %q, want only those of the profile", len(a.Scopes), a.Scopes)
	}
}

// A shorter lifetime: the janitor removes the clients and ends their grants.
func TestImpactOfAShorterLifetime(t *testing.T) {
	w := newChanged(t)
	w.Wait(8 * world.Day)
	w.MustSweep()
	w.Use(w.fable)
	w.Wait(2 * world.Day)
	after := parse(t, strings.NewReplacer(`"any_https": true}`, `"any_https": true}, "lifetimes": {"inactive": "5d"}`,
		`/other"]}`, `/other"]}, "lifetimes": {"inactive": "5d"}`).Replace(before))
	if got, want := texts(w.impact(after)), []string{"cut_off lifetime partner: 1 client, 1 grant, 1 ends, 0 tokens"}; !slices.Equal(got, want) {
		t.Errorf("ImpactOf = %q, want %q", got, want)
	}
	w.conf = after
	w.Wait(7 * world.Day)
	w.Use(w.fable)
	if _, err := w.Sweep(t.Context(), janitor.Options{}); err != nil {
		t.Fatal(err)
	}
	w.WantState(w.gable, broker.RegistrationRemoved)
	w.WantState(w.fable, broker.RegistrationActive)
}

// An error of the store is returned. If the configuration before is not known,
// each client counts as one that could do what it is registered for.
func TestImpactOfTheUnknown(t *testing.T) {
	w := newChanged(t)
	for _, op := range []string{"AppClient", "ListAllRegistrations", "ListGrants", "ListInitialAccessTokens"} {
		w.Store.FailNext(op, 1, fake.NotApplied)
		if _, err := operator.ImpactOf(t.Context(), w.Store, w.conf, w.conf, broker.ModeBrokered, w.Now(), func(*operator.Impact) {}); err == nil {
			t.Errorf("ImpactOf returns no error although %s fails", op)
		}
	}
	narrow := parse(t, strings.Replace(before, `"partner"`, `"other"`, 1))
	impact, err := operator.ImpactOf(t.Context(), w.Inner, nil, narrow, broker.ModeBrokered, w.Now(), func(*operator.Impact) {})
	if got, want := texts(impact), []string{"cut_off profile partner: 1 client, 1 grant, 1 ends, 0 tokens"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("ImpactOf without the configuration before = %q, %v, want %q", got, err, want)
	}
}

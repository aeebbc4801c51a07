package emulator_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
)

func asError[E error](err error, target *E) bool { return errors.As(err, target) }

func decodeSegment(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatalf("decode %q: %v", s, err)
	}
	return b
}

func TestCreateFillsInDefaults(t *testing.T) {
	l := start(t, nil)
	got := l.create(&cip.CreateUserPoolClientInput{UserPoolId: aws.String(pool), ClientName: aws.String("plain")})
	if !regexp.MustCompile(`^[0-9a-z]{26}$`).MatchString(*got.ClientId) {
		t.Errorf("ClientId = %q, want 26 lower-case letters and digits", *got.ClientId)
	}
	if got.ClientSecret != nil {
		t.Errorf("ClientSecret = %q, want none", *got.ClientSecret)
	}
	slices.Sort(got.ExplicitAuthFlows)
	if want := []types.ExplicitAuthFlowsType{"ALLOW_CUSTOM_AUTH", "ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_USER_SRP_AUTH"}; !slices.Equal(got.ExplicitAuthFlows, want) {
		t.Errorf("ExplicitAuthFlows = %v, want %v", got.ExplicitAuthFlows, want)
	}
	if got.RefreshTokenValidity != 30 || got.PreventUserExistenceErrors != "LEGACY" || !aws.ToBool(got.EnableTokenRevocation) ||
		aws.ToInt32(got.AuthSessionValidity) != 3 || aws.ToBool(got.AllowedOAuthFlowsUserPoolClient) {
		t.Errorf("defaults = %+v", got)
	}
	if !got.CreationDate.Equal(l.clock.Now()) {
		t.Errorf("CreationDate = %v, want %v", got.CreationDate, l.clock.Now())
	}
}

func TestDescribeReturnsWhatWasCreated(t *testing.T) {
	l := start(t, nil)
	in := publicClient()
	in.GenerateSecret = true
	in.AccessTokenValidity = aws.Int32(10)
	in.TokenValidityUnits = &types.TokenValidityUnitsType{AccessToken: "minutes"}
	in.RefreshTokenRotation = &types.RefreshTokenRotationType{Feature: "ENABLED", RetryGracePeriodSeconds: aws.Int32(10)}
	made := l.create(in)
	out, err := l.sdk.DescribeUserPoolClient(t.Context(), &cip.DescribeUserPoolClientInput{UserPoolId: aws.String(pool), ClientId: made.ClientId})
	if err != nil {
		t.Fatal(err)
	}
	got := out.UserPoolClient
	if len(aws.ToString(got.ClientSecret)) < 24 || *got.ClientSecret != *made.ClientSecret {
		t.Errorf("ClientSecret = %q, want the one of the create, %q", aws.ToString(got.ClientSecret), *made.ClientSecret)
	}
	if !slices.Equal(got.CallbackURLs, in.CallbackURLs) || !sameSet(got.AllowedOAuthScopes, in.AllowedOAuthScopes) ||
		aws.ToInt32(got.AccessTokenValidity) != 10 || got.TokenValidityUnits.AccessToken != "minutes" ||
		got.RefreshTokenRotation.Feature != "ENABLED" || *got.RefreshTokenRotation.RetryGracePeriodSeconds != 10 {
		t.Errorf("got %+v", got)
	}
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// A caller that compares a set of Cognito's as a list has to fail here too.
func TestSetsComeBackInAnotherOrder(t *testing.T) {
	l := start(t, nil)
	for _, sent := range [][]string{
		{"email", "openid"}, {"openid", "email"}, {"email", "openid", "phone"}, {"phone", "openid", "email"},
		{"openid", "profile", "email"}, {"openid", "email", apiScope, "phone", "profile"}, {"openid", "email", "openid"},
	} {
		in := publicClient()
		in.AllowedOAuthScopes = sent
		in.ReadAttributes, in.WriteAttributes = []string{"email", "name", "gender"}, []string{"email", "name", "gender"}
		in.ExplicitAuthFlows = []types.ExplicitAuthFlowsType{"ALLOW_CUSTOM_AUTH", "ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_USER_SRP_AUTH"}
		in.AllowedOAuthFlows = []types.OAuthFlowType{"implicit", "code"}
		in.CallbackURLs = []string{"https://b.example/", callback, "https://a.example/"}
		in.LogoutURLs = in.CallbackURLs
		got, again := l.create(in), l.create(in)
		var flows, auth, sentAuth []string
		for i, f := range got.ExplicitAuthFlows {
			auth, sentAuth = append(auth, string(f)), append(sentAuth, string(in.ExplicitAuthFlows[i]))
		}
		for _, f := range got.AllowedOAuthFlows {
			flows = append(flows, string(f))
		}
		for member, lists := range map[string][2][]string{
			"AllowedOAuthScopes": {sent, got.AllowedOAuthScopes}, "ReadAttributes": {in.ReadAttributes, got.ReadAttributes},
			"WriteAttributes": {in.WriteAttributes, got.WriteAttributes}, "ExplicitAuthFlows": {sentAuth, auth}, "AllowedOAuthFlows": {{"implicit", "code"}, flows},
		} {
			sent := slices.Clone(lists[0])
			sorted := slices.Compact(slices.Sorted(slices.Values(sent)))
			if slices.Equal(lists[1], sent) || len(sorted) > 2 && slices.Equal(lists[1], sorted) {
				t.Errorf("%s = %q, want neither the order that was sent nor the sorted one", member, lists[1])
			}
			if !sameSet(lists[1], sorted) {
				t.Errorf("%s = %q, want the elements of %q, each once", member, lists[1], sent)
			}
		}
		if !slices.Equal(got.CallbackURLs, in.CallbackURLs) || !slices.Equal(got.LogoutURLs, in.LogoutURLs) {
			t.Errorf("CallbackURLs = %q and LogoutURLs = %q, want %q", got.CallbackURLs, got.LogoutURLs, in.CallbackURLs)
		}
		if !slices.Equal(got.AllowedOAuthScopes, again.AllowedOAuthScopes) {
			t.Errorf("AllowedOAuthScopes = %q for one app client and %q for another, want one order", got.AllowedOAuthScopes, again.AllowedOAuthScopes)
		}
	}
}

// many returns n different strings made of format.
func many(n int, format string) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf(format, i)
	}
	return out
}

// refusal is a change that makes publicClient() invalid, with the exception and
// a part of its message.
type refusal struct {
	name      string
	change    func(*cip.CreateUserPoolClientInput)
	exception string
	text      string
}

func refusals() []refusal {
	type in = cip.CreateUserPoolClientInput
	const (
		parameter = "InvalidParameterException"
		flow      = "InvalidOAuthFlowException"
	)
	return []refusal{
		{"a name with a parenthesis", func(i *in) { i.ClientName = aws.String("Claude (dev)") }, parameter, `[\w\s+=,.@-]+`},
		{"a name that is not ASCII", func(i *in) { i.ClientName = aws.String("Café") }, parameter, `'clientName' failed to satisfy constraint`},
		{"an empty name", func(i *in) { i.ClientName = aws.String("") }, parameter, "greater than or equal to 1"},
		{"a name of 129 characters", func(i *in) { i.ClientName = aws.String(strings.Repeat("n", 129)) }, parameter, "less than or equal to 128"},
		{"another pool", func(i *in) { i.UserPoolId = aws.String("us-east-1_other") }, "ResourceNotFoundException", "User pool us-east-1_other does not exist."},
		{"a pool id of the wrong form", func(i *in) { i.UserPoolId = aws.String("other") }, parameter, "'userPoolId'"},
		{"a secret and GenerateSecret", func(i *in) { i.ClientSecret = aws.String(strings.Repeat("s", 24)); i.GenerateSecret = true }, parameter, "both"},
		{"a secret of 23 characters", func(i *in) { i.ClientSecret = aws.String(strings.Repeat("s", 23)) }, parameter, "'clientSecret'"},
		{"a secret with a hyphen", func(i *in) { i.ClientSecret = aws.String(strings.Repeat("s-", 15)) }, parameter, `[\w+]+`},

		{"http on a public host", func(i *in) { i.CallbackURLs = []string{"http://example.com/cb"} }, parameter, "http://example.com/cb cannot use the HTTP protocol."},
		{"http on a name that starts with localhost", func(i *in) { i.CallbackURLs = []string{"http://localhost.example.com/"} }, parameter, "cannot use the HTTP protocol."},
		{"http on another loopback address", func(i *in) { i.CallbackURLs = []string{"http://127.0.0.2/cb"} }, parameter, "cannot use the HTTP protocol."},
		{"a fragment", func(i *in) { i.CallbackURLs = []string{"https://example.com/#top"} }, parameter, "https://example.com/#top cannot use fragment"},
		{"an empty fragment", func(i *in) { i.CallbackURLs = []string{"https://example.com/#"} }, parameter, "cannot use fragment"},
		{"a relative callback", func(i *in) { i.CallbackURLs = []string{"/cb"} }, parameter, "not a valid URL"},
		{"a space in a callback", func(i *in) { i.CallbackURLs = []string{"https://example.com/a b"} }, parameter, "'callbackURLs'"},
		{"an empty callback", func(i *in) { i.CallbackURLs = []string{""} }, parameter, "2 validation errors detected"},
		{"a callback of 1025 characters", func(i *in) { i.CallbackURLs = []string{"https://example.com/" + strings.Repeat("p", 1005)} }, parameter, "less than or equal to 1024"},
		{"101 callbacks", func(i *in) { i.CallbackURLs = many(101, "https://example.com/%d") }, parameter, "Member must have length less than or equal to 100"},
		{"101 logout URLs", func(i *in) { i.LogoutURLs = many(101, "https://example.com/%d") }, parameter, "less than or equal to 100"},
		{"a default that is not a callback", func(i *in) { i.DefaultRedirectURI = aws.String("https://example.com/other") }, parameter, "DefaultRedirectURI"},

		{"code without callbacks", func(i *in) { i.CallbackURLs = nil }, flow, "CallbackUrls can not be empty when code flow or implicit flow is selected"},
		{"OAuth without flows", func(i *in) { i.AllowedOAuthFlows = nil }, parameter, "AllowedOAuthFlows and AllowedOAuthScopes are required if user pool client is allowed to use OAuth flows."},
		{"OAuth without scopes", func(i *in) { i.AllowedOAuthScopes = nil }, parameter, "AllowedOAuthFlows and AllowedOAuthScopes are required"},
		{"client_credentials beside code", func(i *in) { i.AllowedOAuthFlows = append(i.AllowedOAuthFlows, "client_credentials") }, flow, "client_credentials flow can not be selected along with code flow or implicit flow."},
		{"client_credentials without a secret", func(i *in) { i.AllowedOAuthFlows = []types.OAuthFlowType{"client_credentials"} }, flow, "client_credentials flow can not be selected if client does not have a client secret."},
		{"client_credentials with openid", func(i *in) {
			i.AllowedOAuthFlows, i.GenerateSecret = []types.OAuthFlowType{"client_credentials"}, true
			i.AllowedOAuthScopes = []string{"openid"}
		}, flow, "openid is not supported with client_credentials flow"},
		{"an unknown flow", func(i *in) { i.AllowedOAuthFlows = []types.OAuthFlowType{"device"} }, parameter, "'allowedOAuthFlows'"},
		{"an undefined scope", func(i *in) { i.AllowedOAuthScopes = []string{"openid", "files/read"} }, "ScopeDoesNotExistException", "files/read"},
		{"a scope its resource server lacks", func(i *in) { i.AllowedOAuthScopes = []string{"https://api.example.com/mcp/admin"} }, "ScopeDoesNotExistException", "mcp/admin"},
		{"offline_access", func(i *in) { i.AllowedOAuthScopes = []string{"openid", "offline_access"} }, "ScopeDoesNotExistException", "offline_access"},
		{"51 scopes", func(i *in) { i.AllowedOAuthScopes = many(51, "files/%d") }, parameter, "less than or equal to 50"},
		{"a scope with a quote", func(i *in) { i.AllowedOAuthScopes = []string{`files/"`} }, parameter, "'allowedOAuthScopes'"},

		{"access tokens of 4 minutes", func(i *in) {
			i.AccessTokenValidity, i.TokenValidityUnits = aws.Int32(4), &types.TokenValidityUnitsType{AccessToken: "minutes"}
		}, parameter, "Invalid range for token validity."},
		{"ID tokens of 25 hours", func(i *in) { i.IdTokenValidity = aws.Int32(25) }, parameter, "Invalid range for token validity."},
		{"refresh tokens of 59 minutes", func(i *in) {
			i.RefreshTokenValidity, i.TokenValidityUnits = 59, &types.TokenValidityUnitsType{RefreshToken: "minutes"}
		}, parameter, "Invalid range for token validity."},
		{"refresh tokens of 3651 days", func(i *in) { i.RefreshTokenValidity = 3651 }, parameter, "Invalid range for token validity."},
		{"refresh tokens shorter than access tokens", func(i *in) {
			i.AccessTokenValidity, i.RefreshTokenValidity = aws.Int32(3), 2
			i.TokenValidityUnits = &types.TokenValidityUnitsType{RefreshToken: "hours"}
		}, parameter, "less than or equal to refresh token expiration times."},
		{"access tokens of 0", func(i *in) { i.AccessTokenValidity = aws.Int32(0) }, parameter, "'accessTokenValidity'"},
		{"an unknown unit", func(i *in) { i.TokenValidityUnits = &types.TokenValidityUnitsType{IdToken: "weeks"} }, parameter, "tokenValidityUnits"},
		{"a session of 2 minutes", func(i *in) { i.AuthSessionValidity = aws.Int32(2) }, parameter, "'authSessionValidity'"},

		{"an unknown auth flow", func(i *in) { i.ExplicitAuthFlows = []types.ExplicitAuthFlowsType{"ALLOW_EVERYTHING"} }, parameter, "'explicitAuthFlows'"},
		{"legacy beside ALLOW_ flows", func(i *in) {
			i.ExplicitAuthFlows = []types.ExplicitAuthFlowsType{"ALLOW_USER_SRP_AUTH", "USER_PASSWORD_AUTH"}
		}, parameter, "ALLOW_"},
		{"rotation beside ALLOW_REFRESH_TOKEN_AUTH", func(i *in) {
			i.ExplicitAuthFlows = []types.ExplicitAuthFlowsType{"ALLOW_REFRESH_TOKEN_AUTH"}
			i.RefreshTokenRotation = &types.RefreshTokenRotationType{Feature: "ENABLED"}
		}, parameter, "ALLOW_REFRESH_TOKEN_AUTH"},
		{"rotation with the default flows", func(i *in) { // which have ALLOW_REFRESH_TOKEN_AUTH
			i.ExplicitAuthFlows = nil
			i.RefreshTokenRotation = &types.RefreshTokenRotationType{Feature: "ENABLED"}
		}, parameter, "ALLOW_REFRESH_TOKEN_AUTH"},
		{"a grace period of 61 s", func(i *in) {
			i.RefreshTokenRotation = &types.RefreshTokenRotationType{Feature: "ENABLED", RetryGracePeriodSeconds: aws.Int32(61)}
		}, parameter, "retryGracePeriodSeconds"},
		{"writing email_verified", func(i *in) { i.WriteAttributes = []string{"email", "email_verified"} }, parameter, "Invalid write attributes specified while creating a client"},
		{"reading an unknown attribute", func(i *in) { i.ReadAttributes = []string{"custom:team"} }, parameter, "Invalid read attributes"},
		{"an identity provider the pool lacks", func(i *in) { i.SupportedIdentityProviders = []string{"Google"} }, parameter, "The provider Google does not exist"},
		{"PreventUserExistenceErrors of another value", func(i *in) { i.PreventUserExistenceErrors = "SOMETIMES" }, parameter, "'preventUserExistenceErrors'"},
		{"user context data without a secret", func(i *in) { i.EnablePropagateAdditionalUserContextData = aws.Bool(true) }, parameter, "EnablePropagateAdditionalUserContextData"},
		{"analytics", func(i *in) {
			i.AnalyticsConfiguration = &types.AnalyticsConfigurationType{ApplicationId: aws.String("a")}
		}, parameter, "AnalyticsConfiguration"},
	}
}

func TestCreateRefuses(t *testing.T) {
	type in = cip.CreateUserPoolClientInput
	l := start(t, nil)
	for _, tt := range refusals() {
		t.Run(tt.name, func(t *testing.T) {
			in := publicClient()
			tt.change(in)
			_, err := l.sdk.CreateUserPoolClient(t.Context(), in)
			wantAPIError(t, err, tt.exception, tt.text)
			if n := len(l.AppClients()); n != 0 {
				t.Errorf("%d app clients were made, want 0", n)
			}
		})
	}

	lite := start(t, func(c *emulator.Config) { c.Plan = emulator.Lite })
	for _, tt := range []struct {
		name   string
		change func(*in)
	}{
		{"ALLOW_USER_AUTH on Lite", func(i *in) { i.ExplicitAuthFlows = []types.ExplicitAuthFlowsType{"ALLOW_USER_AUTH"} }},
		{"rotation on Lite", func(i *in) { i.RefreshTokenRotation = &types.RefreshTokenRotationType{Feature: "ENABLED"} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := publicClient()
			tt.change(in)
			_, err := lite.sdk.CreateUserPoolClient(t.Context(), in)
			wantAPIError(t, err, "FeatureUnavailableInTierException", "LITE")
		})
	}
}

func TestCreateAccepts(t *testing.T) {
	l := start(t, nil)
	for _, cb := range []string{
		"https://claude.ai/api/mcp/auth_callback", "http://localhost", "http://localhost/", "http://localhost:33418/cb",
		"http://127.0.0.1:1/cb", "http://[::1]:8080/cb", "cursor://anysphere.cursor-mcp/oauth/callback", "myapp://example",
	} {
		in := publicClient()
		in.CallbackURLs = []string{cb}
		if _, err := l.sdk.CreateUserPoolClient(t.Context(), in); err != nil {
			t.Errorf("callback %q: %v", cb, err)
		}
	}
	for _, secret := range []string{strings.Repeat("a", 24), strings.Repeat("Z_+9", 16)} {
		in := publicClient()
		in.ClientSecret = aws.String(secret)
		if got := l.create(in); aws.ToString(got.ClientSecret) != secret {
			t.Errorf("ClientSecret = %q, want %q", aws.ToString(got.ClientSecret), secret)
		}
	}
	machine := machineClient()
	machine.CallbackURLs = []string{callback} // useless, and accepted
	l.create(machine)
	in := publicClient()
	in.RefreshTokenValidity = 0
	in.TokenValidityUnits = &types.TokenValidityUnitsType{RefreshToken: "seconds"}
	if got := l.create(in); got.RefreshTokenValidity != 30 || got.TokenValidityUnits.RefreshToken != "days" {
		t.Errorf("validity 0 = %d %s, want 30 days", got.RefreshTokenValidity, got.TokenValidityUnits.RefreshToken)
	}
}

func TestGeneratedSecretsHave51Or52Characters(t *testing.T) {
	l := start(t, nil)
	lengths := map[int]bool{}
	for range 100 { // the chance that one length is missing is 1 to 2^99
		secret := *l.create(machineClient()).ClientSecret
		if !regexp.MustCompile(`^[0-9a-z]{51,52}$`).MatchString(secret) {
			t.Fatalf("secret of %d characters: %q, want 51 or 52 lower-case letters and digits", len(secret), secret)
		}
		lengths[len(secret)] = true
	}
	if !lengths[51] || !lengths[52] {
		t.Errorf("lengths %v, want both 51 and 52", lengths)
	}
}

func TestViolationsAreReportedInCognitosOrder(t *testing.T) {
	l := start(t, nil)
	in := publicClient()
	in.RefreshTokenValidity, in.AccessTokenValidity, in.IdTokenValidity = 315360001, aws.Int32(86401), aws.Int32(86402)
	_, err := l.sdk.CreateUserPoolClient(t.Context(), in)
	wantAPIError(t, err, "InvalidParameterException", "3 validation errors detected: Value '86402' at 'idTokenValidity' failed to satisfy constraint: "+
		"Member must have value less than or equal to 86400; Value '86401' at 'accessTokenValidity' failed to satisfy constraint: "+
		"Member must have value less than or equal to 86400; Value '315360001' at 'refreshTokenValidity' failed to satisfy constraint: "+
		"Member must have value less than or equal to 315360000")
}

func TestRequireRefreshFlow(t *testing.T) {
	l := start(t, func(c *emulator.Config) { c.RequireRefreshFlow = true })
	_, err := l.sdk.CreateUserPoolClient(t.Context(), publicClient())
	wantAPIError(t, err, "InvalidParameterException", "REFRESH_TOKEN_AUTH should always be allowed.")
	rotating := publicClient()
	rotating.RefreshTokenRotation = &types.RefreshTokenRotationType{Feature: "ENABLED"}
	l.create(rotating)
}

func TestUpdateResetsAbsentMembers(t *testing.T) {
	l := start(t, nil)
	in := publicClient()
	in.GenerateSecret = true
	in.AccessTokenValidity = aws.Int32(2)
	in.EnableTokenRevocation = aws.Bool(false)
	in.PreventUserExistenceErrors = "ENABLED"
	made := l.create(in)
	l.clock.Advance(time.Minute)
	out, err := l.sdk.UpdateUserPoolClient(t.Context(), &cip.UpdateUserPoolClientInput{
		UserPoolId: aws.String(pool), ClientId: made.ClientId, LogoutURLs: []string{"https://example.com/bye"},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := out.UserPoolClient
	if *got.ClientName != "Test client" || aws.ToString(got.ClientSecret) != *made.ClientSecret {
		t.Errorf("name and secret = %q, %q, want them unchanged", *got.ClientName, aws.ToString(got.ClientSecret))
	}
	if len(got.CallbackURLs) != 0 || len(got.AllowedOAuthFlows) != 0 || len(got.AllowedOAuthScopes) != 0 ||
		*got.AllowedOAuthFlowsUserPoolClient || got.AccessTokenValidity != nil || !*got.EnableTokenRevocation ||
		got.PreventUserExistenceErrors != "LEGACY" || len(got.SupportedIdentityProviders) != 0 || len(got.ExplicitAuthFlows) != 0 {
		t.Errorf("after the update: %+v, want defaults, and no ExplicitAuthFlows", got)
	}
	if !got.LastModifiedDate.After(*got.CreationDate) {
		t.Errorf("LastModifiedDate %v is not after CreationDate %v", got.LastModifiedDate, got.CreationDate)
	}
}

func TestUpdateChecksAsCreateDoes(t *testing.T) {
	l := start(t, nil)
	made := l.create(publicClient())
	for _, tt := range []struct {
		change    func(*cip.UpdateUserPoolClientInput)
		exception string
	}{
		{func(i *cip.UpdateUserPoolClientInput) { i.ClientName = aws.String("a/b") }, "InvalidParameterException"},
		{func(i *cip.UpdateUserPoolClientInput) { i.AllowedOAuthScopes = []string{"nope"} }, "ScopeDoesNotExistException"},
		{func(i *cip.UpdateUserPoolClientInput) { i.AllowedOAuthFlows = []types.OAuthFlowType{"code"} }, "InvalidOAuthFlowException"},
		{func(i *cip.UpdateUserPoolClientInput) { i.ClientId = aws.String("unknown") }, "ResourceNotFoundException"},
	} {
		in := &cip.UpdateUserPoolClientInput{UserPoolId: aws.String(pool), ClientId: made.ClientId}
		tt.change(in)
		_, err := l.sdk.UpdateUserPoolClient(t.Context(), in)
		wantAPIError(t, err, tt.exception, "")
	}
	if got := l.AppClients()[0].CallbackURLs; !slices.Equal(got, []string{callback}) {
		t.Errorf("CallbackURLs = %v after refused updates, want them as they were", got)
	}
}

func TestDelete(t *testing.T) {
	l := start(t, nil)
	made := l.create(publicClient())
	in := &cip.DeleteUserPoolClientInput{UserPoolId: aws.String(pool), ClientId: made.ClientId}
	if _, err := l.sdk.DeleteUserPoolClient(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	_, err := l.sdk.DeleteUserPoolClient(t.Context(), in)
	var gone *types.ResourceNotFoundException
	if !asError(err, &gone) {
		t.Errorf("second delete: %v, want *types.ResourceNotFoundException", err)
	}
	_, err = l.sdk.DescribeUserPoolClient(t.Context(), &cip.DescribeUserPoolClientInput{UserPoolId: aws.String(pool), ClientId: made.ClientId})
	wantAPIError(t, err, "ResourceNotFoundException", "User pool client "+*made.ClientId+" does not exist.")
}

func TestListPages(t *testing.T) {
	l := start(t, nil)
	var want []string
	for i := range 7 {
		in := publicClient()
		in.ClientName = aws.String(fmt.Sprintf("client %d", i))
		want = append(want, *l.create(in).ClientId)
	}
	var got []string
	pages := cip.NewListUserPoolClientsPaginator(l.sdk, &cip.ListUserPoolClientsInput{UserPoolId: aws.String(pool), MaxResults: aws.Int32(3)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(page.UserPoolClients) > 3 {
			t.Errorf("a page has %d clients, want at most 3", len(page.UserPoolClients))
		}
		for _, c := range page.UserPoolClients {
			got = append(got, *c.ClientId)
		}
		if len(got) == 3 { // the last client of this page is deleted: the next page must not skip one
			if _, err := l.sdk.DeleteUserPoolClient(t.Context(), &cip.DeleteUserPoolClientInput{UserPoolId: aws.String(pool), ClientId: &got[2]}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("listed %v, want %v", got, want)
	}
	for _, size := range []int32{0, 61} {
		_, err := l.sdk.ListUserPoolClients(t.Context(), &cip.ListUserPoolClientsInput{UserPoolId: aws.String(pool), MaxResults: aws.Int32(size)})
		wantAPIError(t, err, "InvalidParameterException", "'maxResults'")
	}
	_, err := l.sdk.ListUserPoolClients(t.Context(), &cip.ListUserPoolClientsInput{UserPoolId: aws.String(pool), NextToken: aws.String("made-up")})
	wantAPIError(t, err, "InvalidParameterException", "token")
}

func TestQuotaOfAppClients(t *testing.T) {
	l := start(t, func(c *emulator.Config) { c.AppClientQuota = 2 })
	l.create(publicClient())
	second := l.create(publicClient())
	_, err := l.sdk.CreateUserPoolClient(t.Context(), publicClient())
	var full *types.LimitExceededException
	if !asError(err, &full) {
		t.Fatalf("third create: %v, want *types.LimitExceededException", err)
	}
	if _, err := l.sdk.DeleteUserPoolClient(t.Context(), &cip.DeleteUserPoolClientInput{UserPoolId: aws.String(pool), ClientId: second.ClientId}); err != nil {
		t.Fatal(err)
	}
	l.create(publicClient())
}

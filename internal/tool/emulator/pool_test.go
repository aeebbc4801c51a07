package emulator_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

func TestTwoSecrets(t *testing.T) {
	l := start(t, nil)
	in := publicClient()
	in.GenerateSecret = true
	a := l.create(in)
	first := *a.ClientSecret

	l.clock.Advance(time.Minute)
	added, err := l.sdk.AddUserPoolClientSecret(t.Context(), &cip.AddUserPoolClientSecretInput{UserPoolId: aws.String(pool), ClientId: a.ClientId})
	if err != nil {
		t.Fatal(err)
	}
	second := aws.ToString(added.ClientSecretDescriptor.ClientSecretValue)
	if want := fmt.Sprintf("%s--%d", *a.ClientId, l.clock.Now().Unix()); *added.ClientSecretDescriptor.ClientSecretId != want {
		t.Errorf("ClientSecretId = %q, want %q", *added.ClientSecretDescriptor.ClientSecretId, want)
	}
	for _, secret := range []string{first, second} {
		// The code does not exist: invalid_grant shows that the client was
		// authenticated.
		wantOAuthError(t, l.post("/oauth2/token", formOf("grant_type", "authorization_code", "code", "x"), *a.ClientId, secret), 400, "invalid_grant")
	}
	_, err = l.sdk.AddUserPoolClientSecret(t.Context(), &cip.AddUserPoolClientSecretInput{UserPoolId: aws.String(pool), ClientId: a.ClientId})
	var full *types.LimitExceededException
	if !asError(err, &full) {
		t.Errorf("third secret: %v, want *types.LimitExceededException", err)
	}

	list, err := l.sdk.ListUserPoolClientSecrets(t.Context(), &cip.ListUserPoolClientSecretsInput{UserPoolId: aws.String(pool), ClientId: a.ClientId})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.ClientSecrets) != 2 || list.ClientSecrets[0].ClientSecretValue != nil || list.ClientSecrets[1].ClientSecretValue != nil {
		t.Fatalf("ClientSecrets = %+v, want two without values", list.ClientSecrets)
	}
	remove := func(id *string) error {
		_, err := l.sdk.DeleteUserPoolClientSecret(t.Context(), &cip.DeleteUserPoolClientSecretInput{UserPoolId: aws.String(pool), ClientId: a.ClientId, ClientSecretId: id})
		return err
	}
	if err := remove(list.ClientSecrets[0].ClientSecretId); err != nil {
		t.Fatal(err)
	}
	wantOAuthError(t, l.post("/oauth2/token", formOf("grant_type", "authorization_code", "code", "x"), *a.ClientId, first), 400, "invalid_client")
	wantAPIError(t, remove(list.ClientSecrets[0].ClientSecretId), "ResourceNotFoundException", "")
	wantAPIError(t, remove(list.ClientSecrets[1].ClientSecretId), "InvalidParameterException", "last")
	out, err := l.sdk.DescribeUserPoolClient(t.Context(), &cip.DescribeUserPoolClientInput{UserPoolId: aws.String(pool), ClientId: a.ClientId})
	if err != nil || aws.ToString(out.UserPoolClient.ClientSecret) != second {
		t.Errorf("Describe has secret %q (%v), want the remaining one", aws.ToString(out.UserPoolClient.ClientSecret), err)
	}
}

func TestCustomSecretIsNotEchoed(t *testing.T) {
	l := start(t, nil)
	in := publicClient()
	in.GenerateSecret = true
	a := l.create(in)
	custom := strings.Repeat("c", 32)
	out, err := l.sdk.AddUserPoolClientSecret(t.Context(), &cip.AddUserPoolClientSecretInput{UserPoolId: aws.String(pool), ClientId: a.ClientId, ClientSecret: &custom})
	if err != nil {
		t.Fatal(err)
	}
	if v := out.ClientSecretDescriptor.ClientSecretValue; v != nil {
		t.Errorf("ClientSecretValue = %q, want none", *v)
	}
	if got := l.AppClients()[0].Secrets; len(got) != 2 || got[1] != custom {
		t.Errorf("Secrets = %q, want %q as the second", got, custom)
	}
	_, err = l.sdk.AddUserPoolClientSecret(t.Context(), &cip.AddUserPoolClientSecretInput{UserPoolId: aws.String(pool), ClientId: l.create(publicClient()).ClientId})
	wantAPIError(t, err, "InvalidParameterException", "no client secret")
}

func TestDescribePoolAndDomain(t *testing.T) {
	l := start(t, func(c *emulator.Config) { c.Plan, c.ManagedLogin, c.Domain = emulator.Plus, 2, "sign-in" })
	p, err := l.sdk.DescribeUserPool(t.Context(), &cip.DescribeUserPoolInput{UserPoolId: aws.String(pool)})
	if err != nil {
		t.Fatal(err)
	}
	if p.UserPool.UserPoolTier != "PLUS" || aws.ToString(p.UserPool.Domain) != "sign-in" || *p.UserPool.Id != pool {
		t.Errorf("UserPool = %+v", p.UserPool)
	}
	d, err := l.sdk.DescribeUserPoolDomain(t.Context(), &cip.DescribeUserPoolDomainInput{Domain: p.UserPool.Domain})
	if err != nil {
		t.Fatal(err)
	}
	if got := d.DomainDescription; aws.ToInt32(got.ManagedLoginVersion) != 2 || got.Status != "ACTIVE" || *got.UserPoolId != pool {
		t.Errorf("DomainDescription = %+v", got)
	}
	d, err = l.sdk.DescribeUserPoolDomain(t.Context(), &cip.DescribeUserPoolDomainInput{Domain: aws.String("other")})
	if err != nil || d.DomainDescription.UserPoolId != nil {
		t.Errorf("unknown domain: %+v, %v, want an empty description", d, err)
	}
	_, err = l.sdk.DescribeUserPool(t.Context(), &cip.DescribeUserPoolInput{UserPoolId: aws.String("us-east-1_other")})
	wantAPIError(t, err, "ResourceNotFoundException", "us-east-1_other")
}

func TestListIdentityProvidersIsEmpty(t *testing.T) {
	l := start(t, nil)
	list := func(id string, most int32) (*cip.ListIdentityProvidersOutput, error) {
		return l.sdk.ListIdentityProviders(t.Context(), &cip.ListIdentityProvidersInput{UserPoolId: aws.String(id), MaxResults: aws.Int32(most)})
	}
	if out, err := list(pool, 60); err != nil || len(out.Providers) != 0 || out.NextToken != nil {
		t.Errorf("ListIdentityProviders = %+v, %v, want none", out, err)
	}
	_, err := list("us-east-1_other", 60)
	wantAPIError(t, err, "ResourceNotFoundException", "us-east-1_other")
	_, err = list(pool, 61)
	wantAPIError(t, err, "InvalidParameterException", "less than or equal to 60")
}

func TestPoolWithoutDomain(t *testing.T) {
	l := start(t, func(c *emulator.Config) { c.NoDomain = true })
	p, err := l.sdk.DescribeUserPool(t.Context(), &cip.DescribeUserPoolInput{UserPoolId: aws.String(pool)})
	if err != nil || p.UserPool.Domain != nil {
		t.Errorf("Domain = %v (%v), want none", p.UserPool.Domain, err)
	}
	doc := l.get("/"+pool+"/.well-known/openid-configuration", nil)
	if got, want := doc.text("token_endpoint"), l.base+"/"+pool+"/token"; got != want {
		t.Errorf("token_endpoint = %q, want %q", got, want)
	}
	if a := l.post("/oauth2/token", formOf("grant_type", "authorization_code"), "", ""); a.status != 404 {
		t.Errorf("token endpoint: status %d, want 404", a.status)
	}
}

func TestResourceServers(t *testing.T) {
	l := start(t, nil)
	scope := func(name string) types.ResourceServerScopeType {
		return types.ResourceServerScopeType{ScopeName: aws.String(name), ScopeDescription: aws.String("d")}
	}
	create := func(id string, scopes ...types.ResourceServerScopeType) error {
		_, err := l.sdk.CreateResourceServer(t.Context(), &cip.CreateResourceServerInput{
			UserPoolId: aws.String(pool), Identifier: &id, Name: aws.String("files"), Scopes: scopes,
		})
		return err
	}
	if err := create("files", scope("read"), scope("write")); err != nil {
		t.Fatal(err)
	}
	in := publicClient()
	in.AllowedOAuthScopes = []string{"files/write"}
	l.create(in)

	wantAPIError(t, create("files"), "InvalidParameterException", "exists")
	wantAPIError(t, create("a b"), "InvalidParameterException", "'identifier'")
	wantAPIError(t, create("slash", scope("a/b")), "InvalidParameterException", "scopeName")
	wantAPIError(t, create("many", slices.Repeat([]types.ResourceServerScopeType{scope("s")}, 101)...), "InvalidParameterException", "scopes")

	out, err := l.sdk.DescribeResourceServer(t.Context(), &cip.DescribeResourceServerInput{UserPoolId: aws.String(pool), Identifier: aws.String("files")})
	if err != nil || len(out.ResourceServer.Scopes) != 2 || *out.ResourceServer.UserPoolId != pool {
		t.Errorf("Describe: %+v, %v", out, err)
	}
	_, err = l.sdk.DescribeResourceServer(t.Context(), &cip.DescribeResourceServerInput{UserPoolId: aws.String(pool), Identifier: aws.String("none")})
	wantAPIError(t, err, "ResourceNotFoundException", "none")

	for i := len(l.listResourceServers(50)); i < 25; i++ {
		if err := create(fmt.Sprintf("rs%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	wantAPIError(t, create("one-too-many"), "LimitExceededException", "25")
	if got := len(l.listResourceServers(10)); got != 25 {
		t.Errorf("pages of 10 list %d resource servers, want 25", got)
	}
}

// An update replaces all scopes of a resource server. App clients keep a scope
// that is gone, and no other app client can get it.
func TestAnUpdateOfAResourceServerReplacesItsScopes(t *testing.T) {
	l := start(t, nil)
	scope := func(name string) types.ResourceServerScopeType {
		return types.ResourceServerScopeType{ScopeName: aws.String(name), ScopeDescription: aws.String("d")}
	}
	update := func(id string, scopes ...types.ResourceServerScopeType) error {
		_, err := l.sdk.UpdateResourceServer(t.Context(), &cip.UpdateResourceServerInput{
			UserPoolId: aws.String(pool), Identifier: &id, Name: aws.String("renamed"), Scopes: scopes,
		})
		return err
	}
	wantAPIError(t, update("files", scope("read")), "ResourceNotFoundException", "files")
	_, err := l.sdk.CreateResourceServer(t.Context(), &cip.CreateResourceServerInput{
		UserPoolId: aws.String(pool), Identifier: aws.String("files"), Name: aws.String("files"), Scopes: []types.ResourceServerScopeType{scope("read")},
	})
	if err != nil {
		t.Fatal(err)
	}
	in := publicClient()
	in.AllowedOAuthScopes = []string{"files/read"}
	made := l.create(in)
	wantAPIError(t, update("files", scope("a/b")), "InvalidParameterException", "scopeName")
	wantAPIError(t, update("files", slices.Repeat([]types.ResourceServerScopeType{scope("s")}, 101)...), "InvalidParameterException", "scopes")
	if err := update("files", scope("write")); err != nil {
		t.Fatal(err)
	}
	out, err := l.sdk.DescribeResourceServer(t.Context(), &cip.DescribeResourceServerInput{UserPoolId: aws.String(pool), Identifier: aws.String("files")})
	if err != nil || len(out.ResourceServer.Scopes) != 1 || *out.ResourceServer.Scopes[0].ScopeName != "write" || *out.ResourceServer.Name != "renamed" {
		t.Errorf("after the update: %+v, %v, want the name renamed and only the scope write", out, err)
	}
	app, err := l.sdk.DescribeUserPoolClient(t.Context(), &cip.DescribeUserPoolClientInput{UserPoolId: aws.String(pool), ClientId: made.ClientId})
	if err != nil || !slices.Equal(app.UserPoolClient.AllowedOAuthScopes, []string{"files/read"}) {
		t.Errorf("the app client is %+v, %v, want it to keep files/read", app, err)
	}
	_, err = l.sdk.CreateUserPoolClient(t.Context(), in)
	wantAPIError(t, err, "ScopeDoesNotExistException", "files/read")
}

func (l *local) listResourceServers(size int32) []types.ResourceServerType {
	l.t.Helper()
	var all []types.ResourceServerType
	pages := cip.NewListResourceServersPaginator(l.sdk, &cip.ListResourceServersInput{UserPoolId: aws.String(pool), MaxResults: &size})
	for pages.HasMorePages() {
		page, err := pages.NextPage(l.t.Context())
		if err != nil {
			l.t.Fatal(err)
		}
		all = append(all, page.ResourceServers...)
	}
	return all
}

func TestBranding(t *testing.T) {
	l := start(t, func(c *emulator.Config) { c.ManagedLogin = 2 })
	brand := func(client string) error {
		_, err := l.sdk.CreateManagedLoginBranding(t.Context(), &cip.CreateManagedLoginBrandingInput{
			UserPoolId: aws.String(pool), ClientId: &client, UseCognitoProvidedValues: true,
		})
		return err
	}
	describe := func(client string) (*cip.DescribeManagedLoginBrandingByClientOutput, error) {
		return l.sdk.DescribeManagedLoginBrandingByClient(t.Context(), &cip.DescribeManagedLoginBrandingByClientInput{UserPoolId: aws.String(pool), ClientId: &client})
	}
	a := *l.create(publicClient()).ClientId

	unbranded := l.get(strings.TrimPrefix(l.authorizeURL(a, nil), l.base), nil)
	login := l.get(unbranded.header.Get("Location"), nil)
	if login.status != 403 || !strings.Contains(login.raw, "Login pages unavailable. Please contact an administrator.") {
		t.Errorf("login page without a style: %d, want 403 Login pages unavailable", login.status)
	}
	_, err := describe(a)
	wantAPIError(t, err, "ResourceNotFoundException", a)

	if err := brand(a); err != nil {
		t.Fatal(err)
	}
	if out, err := describe(a); err != nil || !out.ManagedLoginBranding.UseCognitoProvidedValues {
		t.Errorf("Describe: %+v, %v", out, err)
	}
	l.code(a, nil)
	var exists *types.ManagedLoginBrandingExistsException
	if err := brand(a); !asError(err, &exists) {
		t.Errorf("second style: %v, want *types.ManagedLoginBrandingExistsException", err)
	}
	_, err = l.sdk.CreateManagedLoginBranding(t.Context(), &cip.CreateManagedLoginBrandingInput{UserPoolId: aws.String(pool), ClientId: &a})
	wantAPIError(t, err, "InvalidParameterException", "UseCognitoProvidedValues")

	for range 19 {
		if err := brand(*l.create(publicClient()).ClientId); err != nil {
			t.Fatal(err)
		}
	}
	last := *l.create(publicClient()).ClientId
	wantAPIError(t, brand(last), "LimitExceededException", "20")
	if _, err := l.sdk.DeleteUserPoolClient(t.Context(), &cip.DeleteUserPoolClientInput{UserPoolId: aws.String(pool), ClientId: &a}); err != nil {
		t.Fatal(err)
	}
	if err := brand(last); err != nil {
		t.Errorf("after a branded client was deleted: %v, want room for one more style", err)
	}
}

func TestNewRefusesBadConfig(t *testing.T) {
	for _, tt := range []struct {
		cfg  emulator.Config
		want string
	}{
		{emulator.Config{}, "BaseURL"},
		{emulator.Config{BaseURL: "http://localhost:9229/"}, "BaseURL"},
		{emulator.Config{BaseURL: "localhost:9229"}, "BaseURL"},
		{emulator.Config{BaseURL: "http://localhost:1", PoolID: "pool"}, "PoolID"},
		{emulator.Config{BaseURL: "http://localhost:1", Plan: "FREE"}, "plan"},
		{emulator.Config{BaseURL: "http://localhost:1", ManagedLogin: 3}, "ManagedLogin"},
		{emulator.Config{BaseURL: "http://localhost:1", ManagedLogin: 2, Plan: emulator.Lite}, "ManagedLogin"},
		{emulator.Config{BaseURL: "http://localhost:1", Users: []emulator.User{{Name: "a"}}}, "Users[0]"},
		{emulator.Config{BaseURL: "http://localhost:1", Key: fake.SigningKey(), Users: []emulator.User{{Name: "a", Password: "p"}, {Name: "a", Password: "q"}}}, `"a"`},
		{emulator.Config{BaseURL: "http://localhost:1", Key: fake.SigningKey(), ResourceServers: []emulator.ResourceServer{{Identifier: "a b"}}}, "identifier"},
	} {
		if _, err := emulator.New(tt.cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("New(%+v) = %v, want an error about %s", tt.cfg, err, tt.want)
		}
	}
}

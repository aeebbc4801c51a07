package preflight

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// pool checks the user pool, its domain and its feature plan.
func (r *run) pool(ctx context.Context) {
	c := r.Environment
	out, err := r.cognito.DescribeUserPool(ctx, &cip.DescribeUserPoolInput{UserPoolId: aws.String(c.UserPoolID)})
	if _, missing := errors.AsType[*types.ResourceNotFoundException](err); missing {
		r.failed("pool", fmt.Sprintf("there is no user pool %s in %s, in this account", c.UserPoolID, c.Region), "correct USER_POOL_ID and AWS_REGION, or use the account that has it")
		return
	}
	if err != nil {
		r.callFailed("pool", "cognito-idp:DescribeUserPool", err)
		return
	}
	pool := out.UserPool
	if pool == nil {
		r.failed("pool", "Cognito returned no user pool", "")
		return
	}
	r.ok("pool", fmt.Sprintf("%s (%s)", c.UserPoolID, aws.ToString(pool.Name)))
	plan := string(pool.UserPoolTier)
	login := r.domain(ctx, cmp.Or(aws.ToString(pool.CustomDomain), aws.ToString(pool.Domain)), pool)
	r.plan(plan)
	r.rotation(plan)
	r.binding(plan, login)
}

// plan checks that the feature plan has what the environment needs.
func (r *run) plan(plan string) {
	c := r.Environment
	lite := plan == string(types.UserPoolTierTypeLite)
	switch {
	case plan == "":
		r.warn("pool.plan", "Cognito does not return the feature plan of the pool", "check in the console that it supports the configuration")
	case lite && c.Mode == broker.ModeBrokered && c.LoginVersion == 2:
		r.failed("pool.plan", "LITE, which has no managed login", "set LOGIN_VERSION=1, or choose another plan")
	default:
		r.ok("pool.plan", plan)
	}
}

// rotation compares refresh_token_rotation with what the plan allows. In brokered
// mode the broker rotates refresh tokens itself.
func (r *run) rotation(plan string) {
	const id = "configuration.rotation"
	if r.conf == nil || r.Environment.Mode != broker.ModeDirect {
		return
	}
	if r.conf.Tokens.Rotation && plan == string(types.UserPoolTierTypeLite) {
		r.failed(id, "refresh_token_rotation is true, its default, but the plan of the pool is LITE, which has no rotation", "set refresh_token_rotation to false in the configuration, or choose another plan")
		return
	}
	r.ok(id, fmt.Sprint(r.conf.Tokens.Rotation))
}

// domain checks the pool's domain, and returns the version of its sign-in
// pages; 0 if it is unknown.
func (r *run) domain(ctx context.Context, domain string, pool *types.UserPoolType) int {
	c := r.Environment
	if domain == "" {
		r.failed("pool.domain", "the pool has no domain, so users cannot sign in", "create one: aws cognito-idp create-user-pool-domain, or the console")
		return 0
	}
	out, err := r.cognito.DescribeUserPoolDomain(ctx, &cip.DescribeUserPoolDomainInput{Domain: aws.String(domain)})
	if err != nil {
		r.callFailed("pool.domain", "cognito-idp:DescribeUserPoolDomain", err)
		return 0
	}
	d := out.DomainDescription
	switch {
	case d == nil || aws.ToString(d.UserPoolId) != c.UserPoolID:
		r.failed("pool.domain", fmt.Sprintf("%s is not the domain of this pool", domain), "wait if it is new; otherwise create a domain for the pool")
		return 0
	case d.Status != "" && d.Status != types.DomainStatusTypeActive:
		r.failed("pool.domain", fmt.Sprintf("%s is %s", domain, d.Status), "wait until it is ACTIVE, or look for its error in the console")
	default:
		r.ok("pool.domain", domain)
	}
	r.domainAddress(pool)
	login := int(aws.ToInt32(d.ManagedLoginVersion))
	r.login(login)
	return login
}

// domainAddress compares the domain with COGNITO_DOMAIN. A local Cognito has
// another address.
func (r *run) domainAddress(pool *types.UserPoolType) {
	c := r.Environment
	if c.CognitoEndpoint != "" {
		return
	}
	var hosts []string
	if d := aws.ToString(pool.Domain); d != "" {
		hosts = append(hosts, d+".auth."+c.Region+".amazoncognito.com", d+".auth-fips."+c.Region+".amazoncognito.com")
	}
	if d := aws.ToString(pool.CustomDomain); d != "" {
		hosts = append(hosts, d)
	}
	u, err := url.Parse(c.CognitoDomain)
	if err == nil && slices.Contains(hosts, u.Host) {
		r.ok("environment.domain", c.CognitoDomain)
		return
	}
	r.warn("environment.domain", fmt.Sprintf("COGNITO_DOMAIN is %s, but the domain of the pool is https://%s", c.CognitoDomain, hosts[len(hosts)-1]),
		"correct COGNITO_DOMAIN, unless you have a proxy in front of the pool")
}

// login compares the version of the sign-in pages with LOGIN_VERSION.
func (r *run) login(version int) {
	const id = "pool.login"
	c := r.Environment
	name := map[int]string{1: "version 1, the classic pages", 2: "version 2, managed login"}[version]
	switch {
	case version == 0:
		r.warn(id, "Cognito does not return the version of the sign-in pages", "check in the console that it matches LOGIN_VERSION")
	case c.Mode == broker.ModeDirect && version == 2:
		r.failed(id, name+": it needs a branding style for each app client, which direct mode does not create", "choose the classic pages, or AUTHORIZATION=brokered")
	case c.Mode == broker.ModeBrokered && version != c.LoginVersion:
		r.failed(id, fmt.Sprintf("%s, but LOGIN_VERSION is %d", name, c.LoginVersion), fmt.Sprintf("set LOGIN_VERSION=%d", version))
	default:
		r.ok(id, name)
	}
}

// binding compares resource_binding with what plan and sign-in pages allow.
func (r *run) binding(plan string, login int) {
	const id = "configuration.binding"
	if r.conf == nil || r.Environment.Mode != broker.ModeBrokered {
		return
	}
	bound := r.conf.ResourceBinding
	can := plan != "" && plan != string(types.UserPoolTierTypeLite) && login == 2
	switch {
	case bound && login != 0 && !can:
		r.failed(id, "resource_binding is true, but the pool cannot bind tokens: this needs the plan Essentials or Plus, and managed login", "set resource_binding to false in the configuration, and give each protected resource its own scopes")
	case !bound && can:
		r.warn(id, "the pool can bind a token to its resource, but resource_binding is false", "set resource_binding to true in the configuration, so that a token for one MCP server is not valid at another")
	default:
		r.ok(id, fmt.Sprint(bound))
	}
}

// standardScopes need no resource server.
var standardScopes = []string{"openid", "email", "phone", "profile", "aws.cognito.signin.user.admin"}

// scopes checks that the pool's resource servers have the configured scopes.
func (r *run) scopes(ctx context.Context) {
	const id = "pool.scopes"
	if r.conf == nil {
		return
	}
	have := slices.Clone(standardScopes)
	pages := cip.NewListResourceServersPaginator(r.cognito, &cip.ListResourceServersInput{UserPoolId: aws.String(r.Environment.UserPoolID), MaxResults: aws.Int32(50)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			r.callFailed(id, "cognito-idp:ListResourceServers", err)
			return
		}
		for _, s := range page.ResourceServers {
			r.resourceServer = aws.ToString(s.Identifier)
			for _, scope := range s.Scopes {
				have = append(have, aws.ToString(s.Identifier)+"/"+aws.ToString(scope.ScopeName))
			}
		}
	}
	var missing []string
	for _, s := range r.conf.ScopeNames() {
		if !slices.Contains(have, s) {
			missing = append(missing, s)
		}
	}
	if len(missing) > 0 {
		r.failed(id, "no resource server of the pool has "+strings.Join(missing, " "), "create them: dcrctl config apply FILE --create-scopes; or remove them from the configuration")
		return
	}
	r.ok(id, strings.Join(r.conf.ScopeNames(), " "))
}

// identityProviders checks that the pool has the configured providers.
func (r *run) identityProviders(ctx context.Context) {
	const id = "pool.identity-providers"
	if r.conf == nil {
		return
	}
	have := []string{"COGNITO"}
	pages := cip.NewListIdentityProvidersPaginator(r.cognito, &cip.ListIdentityProvidersInput{UserPoolId: aws.String(r.Environment.UserPoolID), MaxResults: aws.Int32(60)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			r.callFailed(id, "cognito-idp:ListIdentityProviders", err)
			return
		}
		for _, p := range page.Providers {
			have = append(have, aws.ToString(p.ProviderName))
		}
	}
	var missing []string
	wanted := r.conf.AllIdentityProviders()
	for _, name := range wanted {
		if !slices.Contains(have, name) {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		r.failed(id, "the pool has no "+strings.Join(missing, ", ")+"; it has "+strings.Join(have, ", "), "correct identity_providers (names are case-sensitive), or add them to the pool")
		return
	}
	r.ok(id, strings.Join(wanted, ", "))
}

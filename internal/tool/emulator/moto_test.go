package emulator_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"github.com/aws/smithy-go"

	"github.com/dcr-broker/dcr-broker/test/localserver"
)

// The emulator and the callers that are tested with it have the same authors, so
// they may share a wrong idea of Cognito. moto has other authors. Where the two
// differ, README.md says who is right and how that is known.
func TestDifferencesFromMoto(t *testing.T) {
	origin := localserver.MotoCognito.Origin(t)
	here := probed{start(t, nil).sdk, pool}
	there := motoPool(t, origin)
	rows := documentedDifferences(t)
	for _, p := range probes {
		ours, theirs := p.run(t.Context(), here), p.run(t.Context(), there)
		row, documented := rows[p.name]
		delete(rows, p.name)
		switch {
		case ours == theirs && documented:
			t.Errorf("%s: both answer %q; delete the row from README.md", p.name, ours)
		case ours != theirs && !documented:
			t.Errorf("%s: the emulator answers %q, moto %q; README.md has no row that says who is right", p.name, ours, theirs)
		case ours != theirs && (row.emulator != ours || row.moto != theirs):
			t.Errorf("%s: the emulator answers %q, moto %q; README.md has %q and %q", p.name, ours, theirs, row.emulator, row.moto)
		}
	}
	for name := range rows {
		t.Errorf("README.md has a row %q, which is not tested", name)
	}
}

// difference is a row of README.md.
type difference struct{ emulator, moto string }

func documentedDifferences(t *testing.T) map[string]difference {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "\n## Where moto differs\n")
	section, _, _ = strings.Cut(section, "\n## ")
	rows := map[string]difference{}
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if len(cells) != 4 || strings.TrimSpace(cells[0]) == "what" || strings.HasPrefix(cells[0], "---") {
			continue
		}
		for i := range cells {
			cells[i] = strings.ReplaceAll(strings.TrimSpace(cells[i]), "`", "")
		}
		if !regexp.MustCompile(`^(the emulator|moto|not known): .`).MatchString(cells[3]) {
			t.Errorf("row %q does not say who is right, and how that is known", cells[0])
		}
		rows[cells[0]] = difference{cells[1], cells[2]}
	}
	if !ok || len(rows) == 0 {
		t.Fatal("README.md has no table of differences from moto")
	}
	return rows
}

// probed is a user pool with the resource server of start.
type probed struct {
	sdk  *cip.Client
	pool string
}

func motoPool(t *testing.T, origin string) probed {
	t.Helper()
	sdk := cip.New(cip.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(origin), Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("AKIDLOCAL", "local", ""),
		HTTPClient:  &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, // moto's server closes them
	})
	made, err := sdk.CreateUserPool(t.Context(), &cip.CreateUserPoolInput{PoolName: aws.String("local")})
	if err != nil {
		t.Fatal(err)
	}
	p := probed{sdk, *made.UserPool.Id}
	if got := p.resourceServer(t.Context(), "https://api.example.com/mcp"); got != "accepted" {
		t.Fatalf("resource server at moto: %s", got)
	}
	return p
}

func (p probed) resourceServer(ctx context.Context, identifier string) string {
	var scopes []types.ResourceServerScopeType
	for _, name := range []string{"read", "write"} {
		scopes = append(scopes, types.ResourceServerScopeType{ScopeName: aws.String(name), ScopeDescription: aws.String(name)})
	}
	_, err := p.sdk.CreateResourceServer(ctx, &cip.CreateResourceServerInput{
		UserPoolId: &p.pool, Identifier: &identifier, Name: aws.String("api"), Scopes: scopes,
	})
	return verdict(err)
}

// verdict is "accepted" or the name of the exception.
func verdict(err error) string {
	var e smithy.APIError
	switch {
	case err == nil:
		return "accepted"
	case errors.As(err, &e):
		return e.ErrorCode()
	}
	return "not an exception of the API"
}

func message(err error) string {
	var e smithy.APIError
	if !errors.As(err, &e) {
		return "none"
	}
	return e.ErrorMessage()
}

func (p probed) create(ctx context.Context, in *cip.CreateUserPoolClientInput) (*types.UserPoolClientType, error) {
	in.UserPoolId = &p.pool
	out, err := p.sdk.CreateUserPoolClient(ctx, in)
	if err != nil {
		return &types.UserPoolClientType{}, err
	}
	return out.UserPoolClient, nil
}

// made is create for an app client that is valid.
func (p probed) made(ctx context.Context, in *cip.CreateUserPoolClientInput) *types.UserPoolClientType {
	c, err := p.create(ctx, in)
	if err != nil {
		panic(err)
	}
	return c
}

func (p probed) update(ctx context.Context, id *string, in cip.UpdateUserPoolClientInput) (*types.UserPoolClientType, error) {
	in.UserPoolId, in.ClientId = &p.pool, id
	out, err := p.sdk.UpdateUserPoolClient(ctx, &in)
	if err != nil {
		return &types.UserPoolClientType{}, err
	}
	return out.UserPoolClient, nil
}

func (p probed) describe(ctx context.Context, id *string) (*types.UserPoolClientType, error) {
	out, err := p.sdk.DescribeUserPoolClient(ctx, &cip.DescribeUserPoolClientInput{UserPoolId: &p.pool, ClientId: id})
	if err != nil {
		return nil, err
	}
	return out.UserPoolClient, nil
}

func (p probed) delete(ctx context.Context, id *string) error {
	_, err := p.sdk.DeleteUserPoolClient(ctx, &cip.DeleteUserPoolClientInput{UserPoolId: &p.pool, ClientId: id})
	return err
}

// unknown is the id of an app client that does not exist.
const unknown = "1234567890abcdefghijklmnop"

// probes are questions about app clients, which every pool can be asked. The
// answers say nothing about ids, which are random.
var probes = []struct {
	name string
	run  func(ctx context.Context, p probed) string
}{
	{"create: members that are not valid, each by itself", func(ctx context.Context, p probed) string {
		var accepted []string
		n := 0
		for _, r := range refusals() {
			in := publicClient()
			if r.change(in); in.UserPoolId == nil || *in.UserPoolId != pool {
				continue // the error is in the pool's id
			}
			n++
			if _, err := p.create(ctx, in); err == nil {
				accepted = append(accepted, r.name)
			}
		}
		return accepts(accepted, n)
	}},
	{"create: an unknown pool", func(ctx context.Context, p probed) string {
		in := publicClient()
		in.UserPoolId = aws.String("us-east-1_other")
		_, err := p.sdk.CreateUserPoolClient(ctx, in)
		return verdict(err) + ", " + message(err)
	}},
	{"create: a client id", func(ctx context.Context, p probed) string {
		id := *p.made(ctx, publicClient()).ClientId
		return fmt.Sprintf("%d characters of [0-9a-z]: %t", len(id), regexp.MustCompile(`^[0-9a-z]+$`).MatchString(id))
	}},
	{"create: a generated secret", func(ctx context.Context, p probed) string {
		secret := *p.made(ctx, machineClient()).ClientSecret
		if regexp.MustCompile(`^[0-9a-z]{51,52}$`).MatchString(secret) {
			return "51 or 52 characters of [0-9a-z]"
		}
		return fmt.Sprintf("%d characters", len(secret))
	}},
	{"create: a secret of our own", func(ctx context.Context, p probed) string {
		in, secret := machineClient(), strings.Repeat("Z_+9", 6)
		in.GenerateSecret, in.ClientSecret = false, &secret
		c, err := p.create(ctx, in)
		return fmt.Sprintf("%s, kept: %t", verdict(err), aws.ToString(c.ClientSecret) == secret)
	}},
	{"create: a public client has no secret", func(ctx context.Context, p probed) string {
		return fmt.Sprint(p.made(ctx, publicClient()).ClientSecret == nil)
	}},
	{"create: flows, if none are sent", func(ctx context.Context, p probed) string {
		return set(p.made(ctx, &cip.CreateUserPoolClientInput{ClientName: aws.String("plain")}).ExplicitAuthFlows)
	}},
	{"create: lifetimes, if none are sent", func(ctx context.Context, p probed) string {
		c := p.made(ctx, &cip.CreateUserPoolClientInput{ClientName: aws.String("plain")})
		return fmt.Sprintf("session %d, refresh token %d, access and ID token sent: %t", aws.ToInt32(c.AuthSessionValidity), c.RefreshTokenValidity,
			c.AccessTokenValidity != nil || c.IdTokenValidity != nil)
	}},
	{"create: TokenValidityUnits, if none are sent", func(ctx context.Context, p probed) string {
		return there(p.made(ctx, &cip.CreateUserPoolClientInput{ClientName: aws.String("plain")}).TokenValidityUnits != nil)
	}},
	{"create: PreventUserExistenceErrors, if not sent", func(ctx context.Context, p probed) string {
		return cmp.Or(string(p.made(ctx, &cip.CreateUserPoolClientInput{ClientName: aws.String("plain")}).PreventUserExistenceErrors), "missing")
	}},
	{"create: revocation, if not sent", func(ctx context.Context, p probed) string {
		return fmt.Sprint(aws.ToBool(p.made(ctx, &cip.CreateUserPoolClientInput{ClientName: aws.String("plain")}).EnableTokenRevocation))
	}},
	{"create: dates", func(ctx context.Context, p probed) string {
		c := p.made(ctx, publicClient())
		return there(c.CreationDate != nil && c.LastModifiedDate != nil)
	}},
	{"create: the order of scopes", func(ctx context.Context, p probed) string {
		in := publicClient()
		in.AllowedOAuthScopes = []string{"email", "openid"}
		return order(in.AllowedOAuthScopes, p.made(ctx, in).AllowedOAuthScopes)
	}},
	{"create: the order of callback URLs", func(ctx context.Context, p probed) string {
		in := publicClient()
		in.CallbackURLs = []string{"https://b.example/", "https://a.example/"}
		return order(in.CallbackURLs, p.made(ctx, in).CallbackURLs)
	}},
	{"update: what is left out", func(ctx context.Context, p probed) string {
		c, err := p.update(ctx, p.made(ctx, publicClient()).ClientId, cip.UpdateUserPoolClientInput{SupportedIdentityProviders: []string{"COGNITO"}})
		switch kept := len(c.CallbackURLs) + len(c.AllowedOAuthScopes) + len(c.ExplicitAuthFlows); {
		case err != nil:
			return verdict(err)
		case kept == 0:
			return "callback URLs, scopes and flows are gone"
		}
		return fmt.Sprintf("kept: %d callback URLs, %d scopes, %d flows", len(c.CallbackURLs), len(c.AllowedOAuthScopes), len(c.ExplicitAuthFlows))
	}},
	{"update: the name, if left out", func(ctx context.Context, p probed) string {
		c, _ := p.update(ctx, p.made(ctx, publicClient()).ClientId, cip.UpdateUserPoolClientInput{SupportedIdentityProviders: []string{"COGNITO"}})
		return aws.ToString(c.ClientName)
	}},
	{"update: revocation that was off, if left out", func(ctx context.Context, p probed) string {
		in := publicClient()
		in.EnableTokenRevocation = aws.Bool(false)
		c, _ := p.update(ctx, p.made(ctx, in).ClientId, cip.UpdateUserPoolClientInput{})
		return fmt.Sprint(aws.ToBool(c.EnableTokenRevocation))
	}},
	{"update: the secret", func(ctx context.Context, p probed) string {
		made := p.made(ctx, machineClient())
		c, _ := p.update(ctx, made.ClientId, cip.UpdateUserPoolClientInput{})
		return fmt.Sprintf("kept: %t", aws.ToString(c.ClientSecret) == *made.ClientSecret)
	}},
	{"update: a scope that does not exist", func(ctx context.Context, p probed) string {
		_, err := p.update(ctx, p.made(ctx, publicClient()).ClientId, cip.UpdateUserPoolClientInput{AllowedOAuthScopes: []string{"nope"}})
		return verdict(err)
	}},
	{"update: an unknown app client", func(ctx context.Context, p probed) string {
		_, err := p.update(ctx, aws.String(unknown), cip.UpdateUserPoolClientInput{})
		return verdict(err)
	}},
	{"describe: an unknown app client", func(ctx context.Context, p probed) string {
		_, err := p.describe(ctx, aws.String(unknown))
		return verdict(err) + ", " + message(err)
	}},
	{"describe: what was created", func(ctx context.Context, p probed) string {
		made := p.made(ctx, machineClient())
		c, err := p.describe(ctx, made.ClientId)
		return fmt.Sprintf("%s, with its secret: %t", verdict(err), err == nil && aws.ToString(c.ClientSecret) == *made.ClientSecret)
	}},
	{"delete: twice", func(ctx context.Context, p probed) string {
		id := p.made(ctx, publicClient()).ClientId
		return verdict(p.delete(ctx, id)) + ", then " + verdict(p.delete(ctx, id))
	}},
	{"list: the order", func(ctx context.Context, p probed) string {
		var made, listed []string
		for range 3 {
			made = append(made, *p.made(ctx, publicClient()).ClientId)
		}
		pages := cip.NewListUserPoolClientsPaginator(p.sdk, &cip.ListUserPoolClientsInput{UserPoolId: &p.pool, MaxResults: aws.Int32(60)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return verdict(err)
			}
			for _, c := range page.UserPoolClients {
				if slices.Contains(made, *c.ClientId) {
					listed = append(listed, *c.ClientId)
				}
			}
		}
		return order(made, listed)
	}},
	{"list: 61 at once", func(ctx context.Context, p probed) string {
		_, err := p.sdk.ListUserPoolClients(ctx, &cip.ListUserPoolClientsInput{UserPoolId: &p.pool, MaxResults: aws.Int32(61)})
		return verdict(err)
	}},
	{"list: a page token that is made up", func(ctx context.Context, p probed) string {
		_, err := p.sdk.ListUserPoolClients(ctx, &cip.ListUserPoolClientsInput{UserPoolId: &p.pool, NextToken: aws.String("made-up")})
		return verdict(err)
	}},
	{"secrets: a second one", func(ctx context.Context, p probed) string {
		_, err := p.sdk.AddUserPoolClientSecret(ctx, &cip.AddUserPoolClientSecretInput{UserPoolId: &p.pool, ClientId: p.made(ctx, machineClient()).ClientId})
		return verdict(err)
	}},
	{"branding: a style", func(ctx context.Context, p probed) string {
		_, err := p.sdk.CreateManagedLoginBranding(ctx, &cip.CreateManagedLoginBrandingInput{
			UserPoolId: &p.pool, ClientId: p.made(ctx, publicClient()).ClientId, UseCognitoProvidedValues: true,
		})
		return verdict(err)
	}},
	{"resource servers: the same one twice", func(ctx context.Context, p probed) string {
		return p.resourceServer(ctx, "https://api.example.com/mcp")
	}},
	{"domains: an unknown one", func(ctx context.Context, p probed) string {
		out, err := p.sdk.DescribeUserPoolDomain(ctx, &cip.DescribeUserPoolDomainInput{Domain: aws.String("no-such-domain")})
		return fmt.Sprintf("%s, empty: %t", verdict(err), err == nil && (out.DomainDescription == nil || out.DomainDescription.Domain == nil))
	}},
	{"identity providers of a new pool", func(ctx context.Context, p probed) string {
		out, err := p.sdk.ListIdentityProviders(ctx, &cip.ListIdentityProvidersInput{UserPoolId: &p.pool})
		return fmt.Sprintf("%s, empty: %t", verdict(err), err == nil && len(out.Providers) == 0)
	}},
}

func accepts(accepted []string, of int) string {
	switch {
	case len(accepted) == 0:
		return "refuses all"
	case len(accepted) == of:
		return "accepts all"
	}
	return "accepts " + strings.Join(accepted, ", ")
}

func there(is bool) string {
	if is {
		return "there"
	}
	return "missing"
}

func order(sent, got []string) string {
	switch {
	case slices.Equal(sent, got):
		return "as sent"
	case sameSet(sent, got):
		return "another one"
	}
	return "other elements"
}

func set(flows []types.ExplicitAuthFlowsType) string {
	if len(flows) == 0 {
		return "none"
	}
	slices.Sort(flows)
	return strings.Trim(fmt.Sprint(flows), "[]")
}

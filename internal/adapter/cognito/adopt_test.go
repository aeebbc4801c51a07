package cognito

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"

	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// operatorAppClient makes an app client as an operator would, with as many
// settings as possible.
func operatorAppClient(t *testing.T, c *AppClients, change func(*cip.CreateUserPoolClientInput)) string {
	t.Helper()
	in := &cip.CreateUserPoolClientInput{
		UserPoolId: aws.String(c.pool), ClientName: aws.String("Partner app"), GenerateSecret: true,
		AllowedOAuthFlowsUserPoolClient: true, AllowedOAuthFlows: []types.OAuthFlowType{types.OAuthFlowTypeCode},
		AllowedOAuthScopes: []string{"openid", "email"}, CallbackURLs: []string{"https://partner.example/cb", "https://partner.example/other"},
		DefaultRedirectURI: aws.String("https://partner.example/other"), LogoutURLs: []string{"https://partner.example/out"},
		ExplicitAuthFlows:   []types.ExplicitAuthFlowsType{types.ExplicitAuthFlowsTypeAllowUserSrpAuth, types.ExplicitAuthFlowsTypeAllowRefreshTokenAuth},
		AccessTokenValidity: aws.Int32(15), IdTokenValidity: aws.Int32(20), RefreshTokenValidity: 10, AuthSessionValidity: aws.Int32(5),
		TokenValidityUnits: &types.TokenValidityUnitsType{AccessToken: types.TimeUnitsTypeMinutes, IdToken: types.TimeUnitsTypeMinutes, RefreshToken: types.TimeUnitsTypeDays},
		ReadAttributes:     []string{"email", "email_verified"}, WriteAttributes: []string{"email"}, SupportedIdentityProviders: []string{"COGNITO"},
		EnableTokenRevocation: aws.Bool(false), PreventUserExistenceErrors: types.PreventUserExistenceErrorTypesLegacy,
	}
	if change != nil {
		change(in)
	}
	out, err := c.api.CreateUserPoolClient(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(out.UserPoolClient.ClientId)
}

const adoptionMarker = "aaaaaaabcdefghijklmnopqrst"

func TestAdoptChangesOnlyTheName(t *testing.T) {
	c, _ := emulated(t, 0)
	id := operatorAppClient(t, c, nil)
	before := describe(t, c, id)
	for range 2 { // the second time as after a lost reply
		if err := c.Adopt(t.Context(), id, adoptionMarker); err != nil {
			t.Fatal(err)
		}
	}
	after := describe(t, c, id)
	if want := "Partner app dcr@" + c.deployment + "." + adoptionMarker; aws.ToString(after.ClientName) != want {
		t.Errorf("name = %q, want %q", aws.ToString(after.ClientName), want)
	}
	after.ClientName, after.LastModifiedDate = before.ClientName, before.LastModifiedDate
	for _, a := range []*types.UserPoolClientType{before, after} { // Cognito returns sets in an order of its own
		slices.Sort(a.ExplicitAuthFlows)
		slices.Sort(a.AllowedOAuthFlows)
		slices.Sort(a.AllowedOAuthScopes)
		slices.Sort(a.ReadAttributes)
		slices.Sort(a.WriteAttributes)
	}
	if !reflect.DeepEqual(after, before) {
		t.Errorf("got\n%+v\nwant\n%+v", after, before)
	}
	var ids []string
	for l, err := range c.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, l.ID)
	}
	if !slices.Equal(ids, []string{id}) {
		t.Errorf("List yields %q, want its id", ids)
	}
	if err := c.Adopt(t.Context(), id, strings.Repeat("b", 26)); err == nil {
		t.Error("adopted under another marker: no error")
	}
}

func TestForeign(t *testing.T) {
	c, _ := emulated(t, 0)
	f, err := c.Foreign(t.Context(), operatorAppClient(t, c, nil))
	if err != nil {
		t.Fatal(err)
	}
	want := dcr.ClientMetadata{
		ClientName: "Partner app", RedirectURIs: []string{"https://partner.example/cb", "https://partner.example/other"},
		TokenEndpointAuthMethod: dcr.AuthSecretBasic, GrantTypes: []string{dcr.GrantAuthorizationCode, dcr.GrantRefreshToken},
		ResponseTypes: []string{dcr.ResponseTypeCode}, Scope: "openid email",
	}
	slices.Sort(f.Metadata.RedirectURIs)
	if f.Refused != "" || !sameScopes(f.Metadata.Scope, want.Scope) {
		t.Errorf("refused %q, scope %q, want none and %q", f.Refused, f.Metadata.Scope, want.Scope)
	}
	f.Metadata.Scope = want.Scope
	if !reflect.DeepEqual(f.Metadata, want) {
		t.Errorf("got %+v, want %+v", f.Metadata, want)
	}
	if _, err := c.Foreign(t.Context(), "1234567890abcdefghijklmnop"); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("an app client that does not exist: %v, want ErrNotFound", err)
	}
	for name, change := range map[string]func(*cip.CreateUserPoolClientInput){
		"both flows": func(in *cip.CreateUserPoolClientInput) {
			in.AllowedOAuthFlows = append(in.AllowedOAuthFlows, types.OAuthFlowTypeImplicit)
		},
		"no OAuth": func(in *cip.CreateUserPoolClientInput) {
			in.AllowedOAuthFlowsUserPoolClient, in.AllowedOAuthFlows, in.AllowedOAuthScopes, in.CallbackURLs, in.DefaultRedirectURI, in.LogoutURLs = false, nil, nil, nil, nil, nil
		},
		"of another deployment": func(in *cip.CreateUserPoolClientInput) {
			in.ClientName = aws.String("x dcr@other." + adoptionMarker)
		},
	} {
		f, err := c.Foreign(t.Context(), operatorAppClient(t, c, change))
		if err != nil || f.Refused == "" {
			t.Errorf("%s: %+v, %v, want a refusal", name, f, err)
		}
	}
}

func sameScopes(a, b string) bool {
	x, y := strings.Fields(a), strings.Fields(b)
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}

// For every failure the error reports the outcome correctly.
func TestAdoptFailing(t *testing.T) {
	for _, tt := range []struct {
		name      string
		op        string
		effect    emulator.Effect
		untouched bool
	}{
		{"reading", "DescribeUserPoolClient", emulator.CutAfter, true},
		{"writing, before", "UpdateUserPoolClient", emulator.CutBefore, false},
	} {
		c, pool := emulated(t, 0)
		id := operatorAppClient(t, c, nil)
		pool.Faults().Inject(tt.op, emulator.Fault{Effect: tt.effect})
		err := c.Adopt(t.Context(), id, adoptionMarker)
		_, notApplied := errors.AsType[*broker.NotAppliedError](err)
		if err == nil || notApplied != tt.untouched {
			t.Errorf("%s: %v, not applied %t, want %t", tt.name, err, notApplied, tt.untouched)
		}
	}
}

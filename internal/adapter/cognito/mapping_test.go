package cognito

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/golden"
)

var here = target{pool: "us-east-1_AbCdEfGhI", deployment: "prod", marker: marker}

func public() dcr.ClientMetadata {
	return dcr.ClientMetadata{
		RedirectURIs:            []string{"http://localhost:33418/callback", "https://claude.ai/api/mcp/auth_callback"},
		TokenEndpointAuthMethod: dcr.AuthNone,
		GrantTypes:              []string{dcr.GrantAuthorizationCode, dcr.GrantRefreshToken},
		ResponseTypes:           []string{dcr.ResponseTypeCode},
		ClientName:              "Claude Code (my-server)",
		Scope:                   "openid mcp/read mcp/write",
	}
}

func confidentialClient() dcr.ClientMetadata {
	m := public()
	m.TokenEndpointAuthMethod = dcr.AuthSecretBasic
	m.ClientName = "Reports"
	return m
}

func clientCredentials() dcr.ClientMetadata {
	return dcr.ClientMetadata{
		TokenEndpointAuthMethod: dcr.AuthSecretPost,
		GrantTypes:              []string{dcr.GrantClientCredentials},
		ClientName:              "Nightly job",
		Scope:                   "mcp/read",
	}
}

func TestCreateInputOnTheWire(t *testing.T) {
	still := DefaultSettings()
	still.NoRotation = true
	own := DefaultSettings()
	own.IdentityProviders = []string{"COGNITO", "Okta"}
	own.AccessToken, own.IDToken, own.RefreshToken, own.RotationGrace = 15*time.Minute, 5*time.Minute, 24*time.Hour, 0
	tests := []struct {
		golden   string
		metadata dcr.ClientMetadata
		settings Settings
	}{
		{"create-public.json", public(), DefaultSettings()},
		{"create-confidential.json", confidentialClient(), DefaultSettings()},
		{"create-client-credentials.json", clientCredentials(), DefaultSettings()},
		{"create-own-settings.json", public(), own},
		{"create-without-rotation.json", public(), still},
	}
	for _, tt := range tests {
		t.Run(tt.golden, func(t *testing.T) {
			golden.Compare(t, "testdata/"+tt.golden, onTheWire(t, func(ctx context.Context, api *cip.Client) error {
				_, err := api.CreateUserPoolClient(ctx, createInput(here, tt.metadata, tt.settings))
				return err
			}))
		})
	}
}

func TestUpdateInputOnTheWire(t *testing.T) {
	// An app client that an operator has changed, as Cognito describes it.
	present := &types.UserPoolClientType{
		UserPoolId:                               aws.String(here.pool),
		ClientId:                                 aws.String("1example23456789"),
		ClientName:                               aws.String("Old name dcr@prod." + marker),
		ClientSecret:                             aws.String("never-sent-back"),
		CreationDate:                             aws.Time(time.Unix(1700000000, 0)),
		LastModifiedDate:                         aws.Time(time.Unix(1700000001, 0)),
		AccessTokenValidity:                      aws.Int32(1),
		IdTokenValidity:                          aws.Int32(1),
		RefreshTokenValidity:                     30,
		AllowedOAuthFlows:                        []types.OAuthFlowType{types.OAuthFlowTypeImplicit},
		AllowedOAuthFlowsUserPoolClient:          aws.Bool(false),
		AllowedOAuthScopes:                       []string{"phone"},
		CallbackURLs:                             []string{"https://old.example/cb"},
		ExplicitAuthFlows:                        []types.ExplicitAuthFlowsType{types.ExplicitAuthFlowsTypeAllowUserSrpAuth},
		SupportedIdentityProviders:               []string{"Old"},
		PreventUserExistenceErrors:               types.PreventUserExistenceErrorTypesLegacy,
		EnableTokenRevocation:                    aws.Bool(false),
		AnalyticsConfiguration:                   &types.AnalyticsConfigurationType{ApplicationId: aws.String("operators-own")},
		AuthSessionValidity:                      aws.Int32(15),
		DefaultRedirectURI:                       aws.String("https://claude.ai/api/mcp/auth_callback"),
		EnablePropagateAdditionalUserContextData: aws.Bool(true),
		LogoutURLs:                               []string{"https://operator.example/bye"},
		ReadAttributes:                           []string{"email", "custom:team"},
		WriteAttributes:                          []string{"nickname"},
	}
	golden.Compare(t, "testdata/update-confidential.json", onTheWire(t, func(ctx context.Context, api *cip.Client) error {
		_, err := api.UpdateUserPoolClient(ctx, updateInput(here, present, confidentialClient(), DefaultSettings()))
		return err
	}))
}

func TestUpdateDropsAnInvalidDefaultRedirectURI(t *testing.T) {
	present := &types.UserPoolClientType{DefaultRedirectURI: aws.String("https://old.example/cb")}
	got := updateInput(here, present, public(), DefaultSettings())
	if got.DefaultRedirectURI != nil {
		t.Errorf("DefaultRedirectURI = %q, want none: it is not among %q", *got.DefaultRedirectURI, got.CallbackURLs)
	}
}

// ours are the fields of an app client that the broker sets.
var ours = []string{
	"UserPoolId", "ClientName", "AllowedOAuthFlowsUserPoolClient", "AllowedOAuthFlows", "AllowedOAuthScopes", "CallbackURLs",
	"ExplicitAuthFlows", "SupportedIdentityProviders", "PreventUserExistenceErrors", "EnableTokenRevocation",
	"RefreshTokenRotation", "AccessTokenValidity", "IdTokenValidity", "RefreshTokenValidity", "TokenValidityUnits",
}

// This test fails for a new field of the SDK until updateInput handles it:
// Cognito resets absent fields to their defaults.
func TestUpdateSetsOrCarriesOverEveryField(t *testing.T) {
	m := public()
	var present types.UserPoolClientType
	fill(reflect.ValueOf(&present).Elem(), "present")
	present.DefaultRedirectURI = &m.RedirectURIs[0]
	// The same without a present app client, to separate the broker's fields
	// from carried-over ones.
	blank := reflect.ValueOf(*updateInput(here, &types.UserPoolClientType{}, m, DefaultSettings()))

	in := updateInput(here, &present, m, DefaultSettings())
	got := reflect.ValueOf(*in)
	for i := range got.NumField() {
		f := got.Type().Field(i)
		if !f.IsExported() {
			continue
		}
		value := got.Field(i).Interface()
		if slices.Contains(ours, f.Name) {
			if got.Field(i).IsZero() || !reflect.DeepEqual(value, blank.Field(i).Interface()) {
				t.Errorf("%s = %s, want the value from the metadata and settings", f.Name, show(value))
			}
			continue
		}
		past := reflect.ValueOf(present).FieldByName(f.Name)
		if !past.IsValid() {
			t.Errorf("%s is no field that Cognito describes: decide what an update sends", f.Name)
			continue
		}
		if !reflect.DeepEqual(value, past.Interface()) {
			t.Errorf("%s = %s, want %s, unchanged", f.Name, show(value), show(past.Interface()))
		}
	}
}

func TestUpdateKnowsEveryFieldThatCognitoDescribes(t *testing.T) {
	unchangeable := []string{"ClientSecret", "CreationDate", "LastModifiedDate"}
	in := reflect.TypeFor[cip.UpdateUserPoolClientInput]()
	for f := range fields(reflect.TypeFor[types.UserPoolClientType]()) {
		if _, ok := in.FieldByName(f); !ok && !slices.Contains(unchangeable, f) {
			t.Errorf("%s cannot be carried over by an update: decide whether that is right", f)
		}
	}
}

func TestCreateSetsEveryFieldOrLeavesItOutOnPurpose(t *testing.T) {
	leftOut := map[string]string{
		"AnalyticsConfiguration":                   "Pinpoint is for the operator",
		"AuthSessionValidity":                      "is about sign-in through the API",
		"ClientSecret":                             "Cognito makes one",
		"DefaultRedirectURI":                       "an authorization request names its redirect URI",
		"EnablePropagateAdditionalUserContextData": "is about sign-in through the API",
		"LogoutURLs":                               "client metadata has no such member",
		"ReadAttributes":                           "the pool's default",
		"WriteAttributes":                          "the pool's default",
	}
	in := reflect.ValueOf(*createInput(here, confidentialClient(), DefaultSettings()))
	for name := range fields(in.Type()) {
		_, out := leftOut[name]
		if set := !in.FieldByName(name).IsZero(); set == out {
			t.Errorf("%s: set is %t, left out on purpose is %t: decide", name, set, out)
		}
	}
}

func TestMappingSharesNoMemory(t *testing.T) {
	m, s := public(), DefaultSettings()
	in := createInput(here, m, s)
	in.CallbackURLs[0], in.SupportedIdentityProviders[0] = "changed", "changed"
	if m.RedirectURIs[0] == "changed" || s.IdentityProviders[0] == "changed" {
		t.Errorf("changing the input changed the metadata %q or the settings %q", m.RedirectURIs, s.IdentityProviders)
	}
}

func fields(t reflect.Type) map[string]bool {
	names := map[string]bool{}
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() {
			names[f.Name] = true
		}
	}
	return names
}

// fill sets every exported field below v to something that is not zero.
func fill(v reflect.Value, name string) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(1700000000, 0)))
			return
		}
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				fill(v.Field(i), name+"."+f.Name)
			}
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), name)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), name)
	case reflect.String:
		v.SetString(name)
	case reflect.Int32, reflect.Int64:
		v.SetInt(7)
	case reflect.Bool:
		v.SetBool(true)
	default:
		panic(fmt.Sprintf("%s: fill does not know %s", name, v.Type()))
	}
}

func show(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

// onTheWire returns the body that send sends, which shows absent members and
// not only empty values in Go. Object members are sorted.
func onTheWire(t *testing.T, send func(context.Context, *cip.Client) error) []byte {
	t.Helper()
	var body []byte
	api := cip.New(cip.Options{
		Region:      "us-east-1",
		Credentials: testCredentials,
		Retryer:     aws.NopRetryer{},
		HTTPClient: doerFunc(func(r *http.Request) (*http.Response, error) {
			var err error
			body, err = io.ReadAll(r.Body)
			return nil, errors.Join(errors.New("not sent any further"), err)
		}),
	})
	if err := send(t.Context(), api); err == nil || !strings.Contains(err.Error(), "not sent any further") {
		t.Fatalf("send = %v, want it to fail at the wire", err)
	}
	var members map[string]any
	if err := json.Unmarshal(body, &members); err != nil {
		t.Fatalf("body %q: %v", body, err)
	}
	sorted, err := json.MarshalIndent(members, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(sorted, '\n')
}

var testCredentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "local"}, nil
})

type doerFunc func(*http.Request) (*http.Response, error)

func (f doerFunc) Do(r *http.Request) (*http.Response, error) { return f(r) }

// An app client without an OAuth flow gets no tokens.
func TestEveryGrantTypeHasAFlow(t *testing.T) {
	for _, name := range dcr.GrantTypes() {
		g, _ := dcr.GrantTypeOf(name)
		if g.With != "" {
			continue
		}
		m := public()
		m.GrantTypes = g.Together()
		if o := ownedBy(here, m, Settings{}); len(o.flows) != 1 || (len(o.redirectURIs) > 0) != g.Redirects {
			t.Errorf("%s: flows %v and redirect URIs %v", name, o.flows, o.redirectURIs)
		}
	}
}

package cognito

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/golden"
)

func brokeredSettings() Settings {
	s := DefaultSettings()
	s.Callback, s.SignOut = "https://auth.example.com/callback", "https://auth.example.com/signed-out"
	return s
}

func TestBrokeredInputOnTheWire(t *testing.T) {
	shared := broker.BrokeredAppClient{Name: "open", Scopes: []string{"openid", "email", "mcp/read"}}
	for _, tt := range []struct {
		golden string
		spec   broker.BrokeredAppClient
	}{
		{"create-brokered.json", shared},
		{"create-brokered-identity-providers.json", broker.BrokeredAppClient{Name: "staff", Scopes: []string{"openid", "mcp/read"}, IdentityProviders: []string{"Okta", "Entra"}}},
		{"create-brokered-client-credentials.json", broker.BrokeredAppClient{Name: "Nightly <job>", Scopes: []string{"mcp/read"}, ClientCredentials: true}},
	} {
		t.Run(tt.golden, func(t *testing.T) {
			golden.Compare(t, "testdata/"+tt.golden, onTheWire(t, func(ctx context.Context, api *cip.Client) error {
				_, err := api.CreateUserPoolClient(ctx, createBrokeredInput(here, tt.spec, brokeredSettings()))
				return err
			}))
		})
	}
	t.Run("update-brokered.json", func(t *testing.T) {
		present := &types.UserPoolClientType{ClientId: aws.String("1a2b"), WriteAttributes: []string{"name"}, AuthSessionValidity: aws.Int32(5)}
		golden.Compare(t, "testdata/update-brokered.json", onTheWire(t, func(ctx context.Context, api *cip.Client) error {
			_, err := api.UpdateUserPoolClient(ctx, updateBrokeredInput(here, present, shared, brokeredSettings()))
			return err
		}))
	})
}

// None of these settings may let a program sign in without the broker.
func TestOnlyTheBrokerCanUseBrokeredAppClients(t *testing.T) {
	in := createBrokeredInput(here, broker.BrokeredAppClient{Name: "open", Scopes: []string{"openid"}}, brokeredSettings())
	if !in.GenerateSecret {
		t.Error("the app client is public")
	}
	if !slices.Equal(in.CallbackURLs, []string{"https://auth.example.com/callback"}) {
		t.Errorf("callbacks = %q, want only ours", in.CallbackURLs)
	}
	if want := []types.ExplicitAuthFlowsType{types.ExplicitAuthFlowsTypeAllowRefreshTokenAuth}; !slices.Equal(in.ExplicitAuthFlows, want) {
		t.Errorf("flows = %q, want %q", in.ExplicitAuthFlows, want)
	}
	if in.RefreshTokenRotation != nil {
		t.Error("Cognito rotates refresh tokens, which excludes the only flow")
	}
}

func TestReadableAttributesFollowTheScopes(t *testing.T) {
	for scopes, want := range map[string]string{
		"openid mcp/read": "email email_verified",
		"openid phone":    "email email_verified phone_number phone_number_verified",
	} {
		if got := strings.Join(readable(strings.Fields(scopes)), " "); got != want {
			t.Errorf("readable(%q) = %q, want %q", scopes, got, want)
		}
	}
	if got := readable([]string{"openid", "profile"}); !slices.Contains(got, "given_name") {
		t.Errorf("readable(openid profile) = %q, want the attributes of profile", got)
	}
}

// brokeredOn returns app clients of brokered mode in a local Cognito with this
// version of managed login.
func brokeredOn(t *testing.T, quota, login int) (*AppClients, *emulator.Cognito) {
	t.Helper()
	c, pool := emulatedWith(t, func(cfg *emulator.Config) { cfg.AppClientQuota, cfg.ManagedLogin, cfg.NoRateLimit = quota, login, true })
	c.getSettings = fixed(brokeredSettings())
	return c, pool
}

func TestCreateBrokered(t *testing.T) {
	c, pool := brokeredOn(t, 2, 1)
	spec := broker.BrokeredAppClient{Name: "open", Scopes: []string{"openid", "mcp/read"}}
	made, err := c.CreateBrokered(t.Context(), marker, spec)
	if err != nil {
		t.Fatal(err)
	}
	all := pool.AppClients()
	if len(all) != 1 || all[0].ClientID != made.ID || !slices.Contains(all[0].Secrets, made.Secret) || made.Secret == "" {
		t.Fatalf("made %+v, the pool has %+v", made.ID, all)
	}
	spec.Scopes = append(spec.Scopes, "mcp/write")
	if err := c.UpdateBrokered(t.Context(), made.ID, marker, spec); err != nil {
		t.Fatal(err)
	}
	if got := pool.AppClients()[0].AllowedOAuthScopes; !slices.Contains(got, "mcp/write") {
		t.Errorf("scopes after the update = %q, want mcp/write among them", got)
	}
	err = c.UpdateBrokered(t.Context(), made.ID, strings.Repeat("b", 26), spec)
	if _, ok := errors.AsType[*broker.NotAppliedError](err); !ok {
		t.Errorf("update under another marker = %v, want a refusal", err)
	}

	if _, err := c.CreateBrokered(t.Context(), marker, broker.BrokeredAppClient{Name: "job", Scopes: []string{"mcp/read"}, ClientCredentials: true}); err != nil {
		t.Fatalf("client_credentials: %v", err)
	}
	_, err = c.CreateBrokered(t.Context(), marker, spec)
	if e, ok := errors.AsType[*dcr.Error](err); !ok || e.Code != dcr.Unavailable || e.RetryAfter == 0 {
		t.Errorf("full pool = %v, want Unavailable with Retry-After", err)
	}
	_, err = c.CreateBrokered(t.Context(), marker, broker.BrokeredAppClient{Name: "open", Scopes: []string{"openid", "no/such"}})
	if _, forClient := errors.AsType[*dcr.Error](err); err == nil || forClient {
		t.Errorf("missing scope = %v, want an error for the operator", err)
	}
}

func TestCreateBrokeredThrottledOrReplyLost(t *testing.T) {
	for _, tt := range []struct {
		effect  emulator.Effect
		applied bool // or unknown
	}{
		{emulator.Throttle, false},
		{emulator.CutAfter, true},
		{emulator.FailAfter, true},
	} {
		c, pool := brokeredOn(t, 10, 1)
		pool.Faults().Inject("CreateUserPoolClient", emulator.Fault{Effect: tt.effect, Times: 1})
		_, err := c.CreateBrokered(t.Context(), marker, broker.BrokeredAppClient{Name: "open", Scopes: []string{"openid"}})
		if e, ok := errors.AsType[*dcr.Error](err); !ok || e.Code != dcr.Unavailable {
			t.Errorf("effect %v: %v, want Unavailable", tt.effect, err)
		}
		if _, not := errors.AsType[*broker.NotAppliedError](err); not == tt.applied {
			t.Errorf("effect %v: not applied %t, want %t", tt.effect, not, !tt.applied)
		}
		if n := pool.Calls("CreateUserPoolClient"); n != 1 {
			t.Errorf("effect %v: %d calls, want 1: a second one would make another app client", tt.effect, n)
		}
	}
}

func TestBrand(t *testing.T) {
	c, pool := brokeredOn(t, 100, 2)
	spec := broker.BrokeredAppClient{Name: "open", Scopes: []string{"openid"}}
	var last string
	for i := range 21 {
		made, err := c.CreateBrokered(t.Context(), marker, spec)
		if err != nil {
			t.Fatal(err)
		}
		err = c.Brand(t.Context(), made.ID)
		if full := i == 20; errors.Is(err, broker.ErrBrandingLimit) != full || err != nil && !full {
			t.Fatalf("Brand %d = %v, limit reached %t", i, err, full)
		}
		if i == 19 {
			last = made.ID
		}
	}
	if err := c.Brand(t.Context(), last); err != nil {
		t.Errorf("an app client that already has a style: %v", err)
	}
	if n := pool.Calls("CreateManagedLoginBranding"); n != 22 {
		t.Errorf("%d calls, want 22", n)
	}
}

func TestBrokeredNeedsCallbackAndSignOut(t *testing.T) {
	c, _ := emulated(t, 10)
	_, err := c.CreateBrokered(t.Context(), marker, broker.BrokeredAppClient{Name: "open", Scopes: []string{"openid"}})
	if _, ok := errors.AsType[*broker.NotAppliedError](err); !ok {
		t.Errorf("CreateBrokered without addresses = %v, want a refusal", err)
	}
}

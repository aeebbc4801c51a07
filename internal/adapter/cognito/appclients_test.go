package cognito

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"

	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/contract"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// emulated returns app clients in the local Cognito, called over HTTP with the
// real SDK. Both use one clock, which moves when the caller sleeps.
func emulated(t *testing.T, quota int) (*AppClients, *emulator.Cognito) {
	t.Helper()
	return emulatedWith(t, func(cfg *emulator.Config) { cfg.AppClientQuota = quota })
}

func emulatedWith(t *testing.T, change func(*emulator.Config)) (*AppClients, *emulator.Cognito) {
	t.Helper()
	clock := newClock()
	cfg := emulator.Config{
		BaseURL:         "http://localhost:9229",
		PoolID:          here.pool,
		ResourceServers: []emulator.ResourceServer{{Identifier: "mcp", Scopes: []string{"read", "write"}}},
		Now:             clock.Now,
		Key:             fake.SigningKey(),
	}
	change(&cfg)
	pool, err := emulator.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(pool)
	t.Cleanup(server.Close)
	api := cip.New(cip.Options{Region: "us-east-1", Credentials: testCredentials, BaseEndpoint: aws.String(server.URL), HTTPClient: server.Client()})
	c, err := New(api, Config{
		Pool: here.pool, Deployment: here.deployment, Settings: fixed(DefaultSettings()), Counters: &counters{}, Now: clock.Now, Sleep: clock.sleep,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c, pool
}

func TestAppClientsContract(t *testing.T) {
	contract.TestAppClients(t, func(t *testing.T) contract.Pool {
		c, _ := emulated(t, 0)
		return c
	})
}

func TestCreatedAppClientsAreAsCognitoReportsThem(t *testing.T) {
	for name, m := range map[string]dcr.ClientMetadata{"public": public(), "confidential": confidentialClient(), "client credentials": clientCredentials()} {
		t.Run(name, func(t *testing.T) {
			c, pool := emulated(t, 0)
			made, err := c.Create(t.Context(), marker, m)
			if err != nil {
				t.Fatalf("Create = %v, want no error", err)
			}
			got := pool.AppClients()[0]
			if got.ClientID != made.ID || !slices.Equal(got.CallbackURLs, m.RedirectURIs) || !sameSet(got.AllowedOAuthScopes, strings.Fields(m.Scope)) {
				t.Errorf("app client %+v, want id %s, redirect URIs %q and scope %q", got, made.ID, m.RedirectURIs, m.Scope)
			}
			if want := []string{"ALLOW_ADMIN_USER_PASSWORD_AUTH"}; !slices.Equal(got.ExplicitAuthFlows, want) {
				t.Errorf("ExplicitAuthFlows = %q, want %q", got.ExplicitAuthFlows, want)
			}
			rotates := got.RefreshTokenRotation != nil && got.RefreshTokenRotation.Feature == "ENABLED"
			if want := slices.Contains(m.GrantTypes, dcr.GrantAuthorizationCode); rotates != want {
				t.Errorf("refresh tokens rotate: %t, want %t", rotates, want)
			}
		})
	}
}

// sameSet compares without order, since Cognito returns sets in an order of its
// own.
func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// An update of Cognito's that leaves a member out removes the flows, and with
// them refreshing, and the callback URLs.
func TestAnUpdateKeepsFlowsCallbacksAndProviders(t *testing.T) {
	noRotation := brokeredSettings()
	noRotation.NoRotation = true
	for _, tt := range []struct {
		name     string
		settings Settings
		change   func(c *AppClients, id string) error
		create   func(c *AppClients) (broker.NewAppClient, error)
	}{
		{"direct", brokeredSettings(), func(c *AppClients, id string) error { return c.Update(t.Context(), id, marker, public(), nil) },
			func(c *AppClients) (broker.NewAppClient, error) { return c.Create(t.Context(), marker, public()) }},
		{"direct, without rotation", noRotation, func(c *AppClients, id string) error { return c.Update(t.Context(), id, marker, public(), nil) },
			func(c *AppClients) (broker.NewAppClient, error) { return c.Create(t.Context(), marker, public()) }},
		{"brokered", brokeredSettings(), func(c *AppClients, id string) error {
			return c.UpdateBrokered(t.Context(), id, marker, broker.BrokeredAppClient{Name: "open", Scopes: []string{"openid", "mcp/read"}})
		}, func(c *AppClients) (broker.NewAppClient, error) {
			return c.CreateBrokered(t.Context(), marker, broker.BrokeredAppClient{Name: "open", Scopes: []string{"openid", "mcp/read"}})
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, pool := emulated(t, 0)
			c.getSettings = fixed(tt.settings)
			made, err := tt.create(c)
			if err != nil {
				t.Fatal(err)
			}
			before := pool.AppClients()[0].Settings
			if err := tt.change(c, made.ID); err != nil {
				t.Fatal(err)
			}
			after := pool.AppClients()[0].Settings
			if len(after.ExplicitAuthFlows) == 0 || !sameSet(after.ExplicitAuthFlows, before.ExplicitAuthFlows) {
				t.Errorf("ExplicitAuthFlows = %q after the update, want %q", after.ExplicitAuthFlows, before.ExplicitAuthFlows)
			}
			if !slices.Equal(after.CallbackURLs, before.CallbackURLs) || !slices.Equal(after.SupportedIdentityProviders, before.SupportedIdentityProviders) ||
				!sameSet(after.ReadAttributes, before.ReadAttributes) || !sameSet(after.AllowedOAuthScopes, before.AllowedOAuthScopes) {
				t.Errorf("after the update: %+v, want %+v", after, before)
			}
		})
	}
}

func TestUpdateKeepsTheOperatorsSettings(t *testing.T) {
	c, pool := emulated(t, 0)
	made, err := c.Create(t.Context(), marker, public())
	if err != nil {
		t.Fatal(err)
	}
	operatorAppClient := updateInput(here, describe(t, c, made.ID), public(), DefaultSettings())
	operatorAppClient.LogoutURLs, operatorAppClient.ReadAttributes, operatorAppClient.AuthSessionValidity = []string{"https://operator.example/bye"}, []string{"email"}, aws.Int32(10)
	if _, err := c.api.UpdateUserPoolClient(t.Context(), operatorAppClient); err != nil {
		t.Fatal(err)
	}
	m := public()
	m.ClientName, m.RedirectURIs = "Renamed", []string{"https://new.example/cb"}
	if err := c.Update(t.Context(), made.ID, marker, m, nil); err != nil {
		t.Fatalf("Update = %v, want no error", err)
	}
	got := pool.AppClients()[0].Settings
	if got.ClientName != "Renamed dcr@prod."+marker || !slices.Equal(got.CallbackURLs, m.RedirectURIs) {
		t.Errorf("name %q and redirect URIs %q, want the new ones", got.ClientName, got.CallbackURLs)
	}
	if !slices.Equal(got.LogoutURLs, operatorAppClient.LogoutURLs) || !slices.Equal(got.ReadAttributes, operatorAppClient.ReadAttributes) || got.AuthSessionValidity != 10 {
		t.Errorf("sign-out URLs %q, read attributes %q, session %d, want the operator's", got.LogoutURLs, got.ReadAttributes, got.AuthSessionValidity)
	}
}

// lost are the failures after which it is unknown whether the call was applied,
// in pairs: not applied, applied.
var lost = []struct {
	effect  emulator.Effect
	name    string
	applied bool
}{
	{emulator.FailBefore, "error before", false},
	{emulator.FailAfter, "error after", true},
	{emulator.CutBefore, "connection lost before", false},
	{emulator.CutAfter, "connection lost after", true},
}

func TestCreateFailing(t *testing.T) {
	for _, tt := range lost {
		t.Run(tt.name, func(t *testing.T) {
			c, pool := emulated(t, 0)
			pool.Faults().Inject(opCreate.name, emulator.Fault{Effect: tt.effect, Times: 1})
			_, err := c.Create(t.Context(), marker, public())
			checkVerdict(t, err, unknown)
			if got := pool.Calls(opCreate.name); got != 1 {
				t.Errorf("sent %d times, want once: a second one would make a second app client", got)
			}
			found := 0
			for l, err := range c.List(t.Context()) {
				if err != nil || l.Marker != marker {
					t.Errorf("List yields %+v, %v, want the marker", l, err)
				}
				found++
			}
			if want := map[bool]int{true: 1}[tt.applied]; found != want {
				t.Errorf("%d app clients can be found by the marker, want %d", found, want)
			}
		})
	}
}

func TestCreateRefused(t *testing.T) {
	unknownScope := public()
	unknownScope.Scope = "openid mcp/nonesuch"
	noRedirect := public()
	noRedirect.RedirectURIs = nil
	fragment := public()
	fragment.RedirectURIs = []string{"https://client.example/cb#f"}
	tests := []struct {
		name     string
		metadata dcr.ClientMetadata
		fault    emulator.Fault
		want     verdict
	}{
		{"throttled", public(), emulator.Fault{Effect: emulator.Throttle, Times: 1}, throttled},
		{"scope that the pool lacks", unknownScope, emulator.Fault{}, operators},
		{"code flow without redirect URI", noRedirect, emulator.Fault{}, operators},
		{"redirect URI with a fragment", fragment, emulator.Fault{}, clients},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, pool := emulated(t, 0)
			if tt.fault.Effect != 0 {
				pool.Faults().Inject(opCreate.name, tt.fault)
			}
			_, err := c.Create(t.Context(), marker, tt.metadata)
			checkVerdict(t, err, tt.want)
			if got := len(pool.AppClients()); got != 0 {
				t.Errorf("%d app clients, want none", got)
			}
		})
	}
}

func TestCreateInAFullPool(t *testing.T) {
	c, _ := emulated(t, 1)
	if _, err := c.Create(t.Context(), marker, public()); err != nil {
		t.Fatal(err)
	}
	_, err := c.Create(t.Context(), marker, public())
	checkVerdict(t, err, poolFull)
}

func TestUpdateFailing(t *testing.T) {
	renamed := public()
	renamed.ClientName = "Renamed"
	for _, tt := range lost {
		t.Run(tt.name, func(t *testing.T) {
			c, pool := emulated(t, 0)
			made, err := c.Create(t.Context(), marker, public())
			if err != nil {
				t.Fatal(err)
			}
			pool.Faults().Inject(opUpdate.name, emulator.Fault{Effect: tt.effect, Times: 1})
			checkVerdict(t, c.Update(t.Context(), made.ID, marker, renamed, nil), unknown)
			if got := strings.HasPrefix(pool.AppClients()[0].ClientName, "Renamed"); got != tt.applied {
				t.Errorf("updated: %t, want %t", got, tt.applied)
			}
			if got := pool.Calls(opUpdate.name); got != 1 {
				t.Errorf("sent %d times, want once: the settings that it read may be out of date", got)
			}
		})
	}
	t.Run("another program changes it", func(t *testing.T) {
		c, pool := emulated(t, 0)
		made, err := c.Create(t.Context(), marker, public())
		if err != nil {
			t.Fatal(err)
		}
		pool.Faults().Inject(opUpdate.name, emulator.Fault{Effect: emulator.FailBefore, Exception: "ConcurrentModificationException", Times: 1})
		checkVerdict(t, c.Update(t.Context(), made.ID, marker, renamed, nil), changing)
	})
}

// Reading changes nothing, so after every failure of a read nothing was
// applied.
func TestUpdateAndDeleteFailingToRead(t *testing.T) {
	for _, tt := range lost {
		for times := range 3 {
			t.Run(fmt.Sprintf("%s, %d times", tt.name, times), func(t *testing.T) {
				c, pool := emulated(t, 0)
				made, err := c.Create(t.Context(), marker, public())
				if err != nil {
					t.Fatal(err)
				}
				for _, act := range []func() error{
					func() error { return c.Update(t.Context(), made.ID, marker, public(), nil) },
					func() error { return c.Delete(t.Context(), made.ID, marker) },
				} {
					if times > 0 {
						pool.Faults().Inject(opDescribe.name, emulator.Fault{Effect: tt.effect, Times: times})
					}
					err := act()
					if times < 2 { // a read is tried twice
						if err != nil {
							t.Errorf("got %v, want no error", err)
						}
						continue
					}
					checkVerdict(t, err, notSent)
				}
			})
		}
	}
}

func TestDeleteFailing(t *testing.T) {
	tests := []struct {
		name    string
		effects []emulator.Effect // of the calls in order
		want    verdict           // the zero verdict: no error
		gone    bool
	}{
		{"error before", []emulator.Effect{emulator.FailBefore}, verdict{}, true},
		{"error after", []emulator.Effect{emulator.FailAfter}, verdict{}, true}, // the repeated call gets "not found"
		{"connection lost before", []emulator.Effect{emulator.CutBefore}, verdict{}, true},
		{"connection lost after", []emulator.Effect{emulator.CutAfter}, verdict{}, true},
		{"throttled", []emulator.Effect{emulator.Throttle}, verdict{}, true},
		{"errors before", []emulator.Effect{emulator.FailBefore, emulator.FailBefore}, unknown, false},
		{"errors after", []emulator.Effect{emulator.FailAfter, emulator.FailAfter}, unknown, true},
		{"throttled twice", []emulator.Effect{emulator.Throttle, emulator.Throttle}, throttled, false},
		{"error after, then throttled", []emulator.Effect{emulator.FailAfter, emulator.Throttle}, unknown, true}, // the first call was applied
		{"throttled, then error after", []emulator.Effect{emulator.Throttle, emulator.FailAfter}, unknown, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, pool := emulated(t, 0)
			made, err := c.Create(t.Context(), marker, public())
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range tt.effects {
				pool.Faults().Inject(opDelete.name, emulator.Fault{Effect: e, Times: 1})
			}
			err = c.Delete(t.Context(), made.ID, marker)
			if tt.want == (verdict{}) {
				if err != nil {
					t.Errorf("Delete = %v, want no error", err)
				}
			} else {
				checkVerdict(t, err, tt.want)
			}
			if gone := len(pool.AppClients()) == 0; gone != tt.gone {
				t.Errorf("deleted: %t, want %t", gone, tt.gone)
			}
		})
	}
}

func TestListFailing(t *testing.T) {
	c, pool := emulated(t, 0)
	if _, err := c.Create(t.Context(), marker, public()); err != nil {
		t.Fatal(err)
	}
	list := func() (n int, err error) {
		for _, e := range c.List(t.Context()) {
			if err != nil {
				t.Errorf("List yields more after %v", err)
			}
			if err = e; err == nil {
				n++
			}
		}
		return n, err
	}
	pool.Faults().Inject(opList.name, emulator.Fault{Effect: emulator.CutBefore, Times: 1})
	if n, err := list(); n != 1 || err != nil {
		t.Errorf("List yields %d app clients and %v, want 1 and no error: a read is repeated once", n, err)
	}
	pool.Faults().Inject(opList.name, emulator.Fault{Effect: emulator.CutBefore, Times: 2})
	n, err := list()
	if n != 0 {
		t.Errorf("List yields %d app clients, want none", n)
	}
	checkVerdict(t, err, unknown)
}

func TestARequestIsRepeatedInTheNextSecondAndNotAfterATimeOut(t *testing.T) {
	sent := func(answer doerFunc) (at []time.Time) {
		var c *AppClients
		c = open(t, func(r *http.Request) (*http.Response, error) {
			at = append(at, c.now())
			return answer(r)
		})
		err := c.Delete(t.Context(), "1example23456789", marker)
		if e, ok := errors.AsType[*dcr.Error](err); !ok || e.Code != dcr.Unavailable || !isNotApplied(err) {
			t.Errorf("Delete = %v, want that nothing was applied and the client may try again", err)
		}
		return at
	}
	if at := sent(reply(http.StatusBadRequest, "TooManyRequestsException", "")); len(at) != 2 || at[1].Sub(at[0]) != time.Second {
		t.Errorf("throttled: sent at %v, want twice with a second in between", at)
	}
	if at := sent(fails(context.DeadlineExceeded)); len(at) != 1 {
		t.Errorf("timed out: sent at %v, want once: the caller has waited long enough", at)
	}
}

func TestForeignAppClientsAreNeitherListedNorChanged(t *testing.T) {
	c, pool := emulated(t, 0)
	other, err := New(c.api, Config{Pool: here.pool, Deployment: "test", Settings: fixed(DefaultSettings()), Counters: &counters{}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := other.Create(t.Context(), marker, public())
	if err != nil {
		t.Fatal(err)
	}
	operatorAppClient := createInput(here, public(), DefaultSettings())
	operatorAppClient.ClientName = aws.String("made by an operator")
	hand, err := c.api.CreateUserPoolClient(t.Context(), operatorAppClient)
	if err != nil {
		t.Fatal(err)
	}
	before := pool.AppClients()
	for l, err := range c.List(t.Context()) {
		t.Errorf("List yields %+v, %v, want nothing", l, err)
	}
	for _, id := range []string{theirs.ID, aws.ToString(hand.UserPoolClient.ClientId)} {
		checkVerdict(t, c.Delete(t.Context(), id, marker), operators)
		checkVerdict(t, c.Update(t.Context(), id, marker, public(), func(string) error {
			t.Error("check was called with a secret of another app client")
			return nil
		}), operators)
	}
	if after := pool.AppClients(); !reflect.DeepEqual(after, before) {
		t.Errorf("app clients %+v, want %+v, unchanged", after, before)
	}
}

func TestAMissingPoolIsNotAMissingAppClient(t *testing.T) {
	c, _ := emulated(t, 0)
	made, err := c.Create(t.Context(), marker, public())
	if err != nil {
		t.Fatal(err)
	}
	c.pool = "us-east-1_Mistyped"
	checkVerdict(t, c.Delete(t.Context(), made.ID, marker), operators)
	checkVerdict(t, c.Update(t.Context(), made.ID, marker, public(), nil), operators)
}

func TestNewRefusesABadConfiguration(t *testing.T) {
	good := Config{Pool: here.pool, Deployment: here.deployment, Settings: fixed(DefaultSettings()), Counters: &counters{}, Now: time.Now}
	tests := []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.Pool = "" }, "user pool id"},
		{func(c *Config) { c.Pool = strings.Repeat("p", 50) + "_12345" }, "user pool id"},
		{func(c *Config) { c.Pool = "us-east-1/x_1" }, "user pool id"},
		{func(c *Config) { c.Pool = "us-east-1" }, "user pool id"},
		{func(c *Config) { c.Pool = "us-east-1_" }, "user pool id"},
		{func(c *Config) { c.Pool = "_AbCdEfGhI" }, "user pool id"},
		{func(c *Config) { c.Pool = "us-east-1_AbC-dEf" }, "user pool id"},
		{func(c *Config) { c.Deployment = "Prod" }, "deployment id"},
		{func(c *Config) { c.Deployment = "" }, "deployment id"},
		{func(c *Config) { c.Counters = nil }, "counters"},
		{func(c *Config) { c.Now = nil }, "now"},
		{func(c *Config) { c.Timeout = -time.Second }, "timeout"},
		{func(c *Config) { c.Settings = nil }, "settings"},
	}
	api := cip.New(cip.Options{Region: "us-east-1"})
	if _, err := New(api, good); err != nil {
		t.Fatalf("New = %v, want no error", err)
	}
	for _, tt := range tests {
		c := good
		tt.change(&c)
		if _, err := New(api, c); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("New = %v, want an error about %q", err, tt.want)
		}
	}
	var bad Config
	_, err := New(api, bad)
	for _, want := range []string{"user pool id", "deployment id", "counters", "settings"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New = %v, want all faults at once, also %q", err, want)
		}
	}
	if _, ok := errors.AsType[*dcr.Error](err); ok {
		t.Errorf("New = %v, want no *dcr.Error", err)
	}
}

func describe(t *testing.T, c *AppClients, id string) *types.UserPoolClientType {
	t.Helper()
	out, err := c.api.DescribeUserPoolClient(t.Context(), &cip.DescribeUserPoolClientInput{UserPoolId: aws.String(c.pool), ClientId: aws.String(id)})
	if err != nil {
		t.Fatal(err)
	}
	return out.UserPoolClient
}

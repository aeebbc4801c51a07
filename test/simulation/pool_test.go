package simulation

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"

	"github.com/dcr-broker/dcr-broker/internal/adapter/cognito"
	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/direct"
	"github.com/dcr-broker/dcr-broker/pkg/broker/janitor"
	"github.com/dcr-broker/dcr-broker/pkg/broker/provision"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// pool is the broker's adapter to the local Cognito, with faults in its requests.
type pool struct {
	*cognito.AppClients
	*fake.Faults
	t       *testing.T
	inner   *cognito.AppClients // of this test, without faults
	api     *cip.Client         // without faults
	cognito *emulator.Cognito

	mu      sync.Mutex
	secrets map[string]string // of the app clients by id; nil after a change
}

var (
	_ direct.Pool              = (*pool)(nil)
	_ janitor.Pool             = (*pool)(nil)
	_ provision.Pool           = (*pool)(nil)
	_ provision.MaintainedPool = (*pool)(nil)
)

const poolID = "us-east-1_local00001"

func newPool(t *testing.T, counts cognito.Counters) *pool {
	t.Helper()
	operations := []string{
		"CreateUserPoolClient", "UpdateUserPoolClient", "DeleteUserPoolClient", "DescribeUserPoolClient", "ListUserPoolClients", "CreateManagedLoginBranding",
	}
	p := &pool{t: t, Faults: fake.NewFaults(operations...)}
	var err error
	p.cognito, err = emulator.New(emulator.Config{
		BaseURL:         "http://cognito.example",
		ResourceServers: []emulator.ResourceServer{{Identifier: "mcp", Scopes: []string{"read"}}},
		AppClientQuota:  quota,
	})
	if err != nil {
		t.Fatal(err)
	}
	settings := cognito.DefaultSettings()
	settings.Callback, settings.SignOut = "https://auth.example.com/callback", "https://auth.example.com/signed-out"
	open := func(faults *fake.Faults) (*cip.Client, *cognito.AppClients) {
		api := cip.New(cip.Options{
			Region: "us-east-1", BaseEndpoint: aws.String("http://cognito.example"), HTTPClient: inProcess{p, faults},
			Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
		})
		apps, err := cognito.New(api, cognito.Config{Pool: poolID, Deployment: "test", Settings: func(context.Context) (cognito.Settings, error) { return settings, nil }, Counters: counts, Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		return api, apps
	}
	p.api, p.inner = open(fake.NewFaults(operations...)) // none fails
	_, p.AppClients = open(p.Faults)
	return p
}

// inProcess sends requests to the local Cognito, unless faults makes them fail.
type inProcess struct {
	pool   *pool
	faults *fake.Faults
}

func (h inProcess) Do(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	err := h.faults.Do(operation, func() error {
		h.pool.cognito.ServeHTTP(rec, r)
		if operation == "CreateUserPoolClient" || operation == "DeleteUserPoolClient" {
			h.pool.forget()
		}
		return r.Context().Err()
	})
	return rec.Result(), err
}

func (p *pool) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.secrets = nil
}

// Secret returns the secret of an app client, or false if it does not exist.
func (p *pool) Secret(id string) (string, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.secrets == nil {
		p.secrets = make(map[string]string)
		for _, a := range p.cognito.AppClients() {
			p.secrets[a.ClientID] = a.Secrets[0]
		}
	}
	secret, ok := p.secrets[id]
	return secret, ok
}

// Count returns the number of app clients.
func (p *pool) Count() int { return len(p.cognito.AppClients()) }

// DropOne deletes a random app client without the broker.
func (p *pool) DropOne(rnd *rand.Rand) {
	all := p.cognito.AppClients()
	if len(all) == 0 {
		return
	}
	time.Sleep(time.Second) // this call counts for the rate limit as well
	in := &cip.DeleteUserPoolClientInput{UserPoolId: aws.String(poolID), ClientId: aws.String(all[rnd.IntN(len(all))].ClientID)}
	if _, err := p.api.DeleteUserPoolClient(p.t.Context(), in); err != nil {
		p.t.Error(err)
	}
}

// Stray creates an app client without a record, unless the pool is full.
func (p *pool) Stray() {
	spec := broker.BrokeredAppClient{Name: "stray", Scopes: []string{"openid"}}
	_, _ = p.inner.CreateBrokered(p.t.Context(), broker.NewMarker(time.Now()), spec)
}

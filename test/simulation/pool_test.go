package simulation

import (
	"context"
	"iter"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
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
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// pool is the broker's adapter to the local Cognito, with faults at each
// operation.
type pool struct {
	*fake.Faults
	t       *testing.T
	apps    *cognito.AppClients
	api     *cip.Client
	cognito *emulator.Cognito
}

var (
	_ direct.Pool              = (*pool)(nil)
	_ janitor.Pool             = (*pool)(nil)
	_ provision.Pool           = (*pool)(nil)
	_ provision.MaintainedPool = (*pool)(nil)
)

const poolID = "us-east-1_local00001"

func newPool(t *testing.T, slots cognito.Slots) *pool {
	t.Helper()
	p := &pool{t: t, Faults: fake.NewFaults("Create", "Update", "Delete", "Exists", "List", "CreateBrokered", "UpdateBrokered", "Brand")}
	var err error
	p.cognito, err = emulator.New(emulator.Config{
		BaseURL:         "http://cognito.example",
		ResourceServers: []emulator.ResourceServer{{Identifier: "mcp", Scopes: []string{"read"}}},
		AppClientQuota:  quota,
	})
	if err != nil {
		t.Fatal(err)
	}
	p.api = cip.New(cip.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://cognito.example"), HTTPClient: inProcess{p.cognito},
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
	settings := cognito.DefaultSettings()
	settings.Callback, settings.SignOut = "https://auth.example.com/callback", "https://auth.example.com/signed-out"
	if p.apps, err = cognito.New(p.api, cognito.Config{Pool: poolID, Deployment: "test", Settings: settings, Slots: slots}); err != nil {
		t.Fatal(err)
	}
	return p
}

// inProcess sends requests to a handler of this process.
type inProcess struct{ http.Handler }

func (h inProcess) Do(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec.Result(), r.Context().Err()
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
	_, _ = p.apps.CreateBrokered(p.t.Context(), broker.NewMarker(time.Now()), spec)
}

// do makes a call that fails at random.
func do[T any](p *pool, method string, call func() (T, error)) (T, error) {
	var got, none T
	err := p.Do(method, func() (err error) {
		got, err = call()
		return err
	})
	if err != nil {
		return none, err
	}
	return got, nil
}

func (p *pool) Create(ctx context.Context, marker string, m dcr.ClientMetadata) (broker.NewAppClient, error) {
	return do(p, "Create", func() (broker.NewAppClient, error) { return p.apps.Create(ctx, marker, m) })
}

func (p *pool) Update(ctx context.Context, id, marker string, m dcr.ClientMetadata, check func(string) error) error {
	return p.Do("Update", func() error { return p.apps.Update(ctx, id, marker, m, check) })
}

func (p *pool) Delete(ctx context.Context, id, marker string) error {
	return p.Do("Delete", func() error { return p.apps.Delete(ctx, id, marker) })
}

func (p *pool) Exists(ctx context.Context, id string) (bool, error) {
	return do(p, "Exists", func() (bool, error) { return p.apps.Exists(ctx, id) })
}

func (p *pool) List(ctx context.Context) iter.Seq2[broker.ListedAppClient, error] {
	return func(yield func(broker.ListedAppClient, error) bool) {
		if err := p.Do("List", func() error { return nil }); err != nil {
			yield(broker.ListedAppClient{}, err)
			return
		}
		p.apps.List(ctx)(yield)
	}
}

func (p *pool) CreateBrokered(ctx context.Context, marker string, spec broker.BrokeredAppClient) (broker.NewAppClient, error) {
	return do(p, "CreateBrokered", func() (broker.NewAppClient, error) { return p.apps.CreateBrokered(ctx, marker, spec) })
}

func (p *pool) UpdateBrokered(ctx context.Context, id, marker string, spec broker.BrokeredAppClient) error {
	return p.Do("UpdateBrokered", func() error { return p.apps.UpdateBrokered(ctx, id, marker, spec) })
}

func (p *pool) Brand(ctx context.Context, id string) error {
	return p.Do("Brand", func() error { return p.apps.Brand(ctx, id) })
}

package emulator_test

import (
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// atOnce runs f n times at the same time and returns how often it returned true.
func atOnce(n int, f func() bool) int {
	var wins atomic.Int32
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if f() {
				wins.Add(1)
			}
		})
	}
	wg.Wait()
	return int(wins.Load())
}

func TestOneOfManyRedemptionsWins(t *testing.T) {
	l := start(t, nil)
	in := publicClient()
	in.RefreshTokenRotation = &types.RefreshTokenRotationType{Feature: "ENABLED"}
	a := *l.create(in).ClientId
	code := l.code(a, nil)
	var refresh atomic.Value
	if got := atOnce(8, func() bool {
		answer := l.redeem(a, code, nil)
		if answer.status == 200 {
			refresh.Store(answer.text("refresh_token"))
		}
		return answer.status == 200
	}); got != 1 {
		t.Fatalf("%d of 8 redemptions of one code won, want 1", got)
	}
	form := refreshForm(a, refresh.Load().(string))
	if got := atOnce(8, func() bool { return l.post("/oauth2/token", form, "", "").status == 200 }); got != 1 {
		t.Errorf("%d of 8 refreshes with one token won, want 1", got)
	}
}

func TestQuotaHoldsUnderConcurrency(t *testing.T) {
	l := start(t, func(c *emulator.Config) { c.AppClientQuota = 3 })
	got := atOnce(8, func() bool {
		_, err := l.sdk.CreateUserPoolClient(t.Context(), publicClient())
		return err == nil
	})
	if n := len(l.AppClients()); got != 3 || n != 3 {
		t.Errorf("%d creates won and %d app clients exist, want 3", got, n)
	}
}

func TestRateHoldsUnderConcurrency(t *testing.T) {
	l := start(t, func(c *emulator.Config) { c.NoRateLimit = false })
	got := atOnce(12, func() bool {
		_, err := l.sdk.CreateUserPoolClient(t.Context(), publicClient())
		return err == nil
	})
	if got != 5 {
		t.Errorf("%d of 12 creates in one second were admitted, want 5", got)
	}
}

func FuzzEndpointsNeverAnswer500(f *testing.F) {
	l := &local{}
	for _, seed := range []string{"", "{}", "null", "[]", "grant_type=refresh_token&client_id=x", "%zz", "a=b&a=c", `{"UserPoolId":1}`} {
		f.Add(seed, "CreateUserPoolClient")
	}
	f.Add(`{"UserPoolId":"us-east-1_local00001","ClientName":"n","CallbackURLs":["http://[::1"]}`, "CreateUserPoolClient")
	f.Add(`{"UserPoolId":"us-east-1_local00001","NextToken":"YWZ0ZXI6LTE"}`, "ListResourceServers")
	f.Add(`{"UserPoolId":"us-east-1_local00001","NextToken":"YWZ0ZXI6LTE"}`, "ListUserPoolClients")
	f.Fuzz(func(t *testing.T, body, op string) {
		if l.Cognito == nil {
			c, err := emulator.New(emulator.Config{BaseURL: "http://localhost:1", Key: fake.SigningKey(), NoRateLimit: true, AppClientQuota: 5})
			if err != nil {
				t.Fatal(err)
			}
			l.Cognito = c
		}
		for _, r := range requests(t, op, body) {
			if status := serve(l.Cognito, r); status >= 500 {
				t.Errorf("%s %s with %q: status %d", r.Method, r.URL.Path, body, status)
			}
		}
	})
}

// escaped returns body as a query in which any bytes are preserved.
func escaped(body string) string { return url.Values{"state": {body}, "client_id": {body}}.Encode() }

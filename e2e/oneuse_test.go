package e2e

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/dcr-broker/dcr-broker/internal/config"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/internal/memory"
	"github.com/dcr-broker/dcr-broker/internal/wire/registrar"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

// Of any number of registrations on a token with one use left, one succeeds, and
// the others are told that the token is spent.
func TestTokenWithOneUse(t *testing.T) {
	base, token := oneUse(t)
	const n = 8
	answers := make([]*http.Response, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/register", strings.NewReader(publicClient))
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Authorization", "Bearer "+token)
			if answers[i], err = client.Do(req); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if t.Failed() {
		return
	}
	slices.SortFunc(answers, func(a, b *http.Response) int { return cmp.Compare(a.StatusCode, b.StatusCode) })
	for i, res := range answers {
		a := answerOf(t, "POST /register", res)
		want, challenge := http.StatusUnauthorized, `Bearer error="invalid_token", `
		if i == 0 {
			want, challenge = http.StatusCreated, ""
		}
		if a.status == http.StatusCreated {
			registered(t, base, a)
		}
		if got := a.header.Get("WWW-Authenticate"); a.status != want || !strings.HasPrefix(got, challenge) {
			t.Errorf("answer %d of %d = %d %s with challenge %q, want %d with %q", i+1, n, a.status, a.body, got, want, challenge)
		}
	}
}

// oneUse returns the origin of a broker and an initial access token with one use
// left. In process it is a broker beside the one under test, on the same user
// pool and with a store of its own to put the token in.
func oneUse(t *testing.T) (base, token string) {
	t.Helper()
	if target.stack == nil {
		token = os.Getenv("E2E_ONE_USE_TOKEN")
		needs(t, "E2E_ONE_USE_TOKEN", token)
		return target.base, token
	}
	srv := httptest.NewUnstartedServer(nil)
	base = "http://" + srv.Listener.Addr().String()
	env := map[string]string{
		"ISSUER": base, "AWS_REGION": "us-east-1", "USER_POOL_ID": "us-east-1_local00001", "COGNITO_DOMAIN": target.stack.Cognito,
		"COGNITO_ENDPOINT": target.stack.Cognito, "SCOPES": "openid mcp/read", "TABLE_NAME": "in-memory", "DEPLOYMENT_ID": "oneuse",
	}
	c, err := config.Registration(func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	store := memory.NewStore(time.Now)
	tok, rec, err := credential.NewInitialAccessToken(credential.Grant{Label: "one use", Profile: "trusted", CreatedBy: "e2e", MaxUses: 1}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := store.CreateInitialAccessToken(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	sdk := aws.Config{Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
	})}
	service, err := registrar.Service(c, sdk, store, log)
	if err != nil {
		t.Fatal(err)
	}
	rt := httpapi.NewRouter(log)
	httpapi.RegistrationRoutes(rt, service)
	srv.Config.Handler = rt
	srv.Start()
	t.Cleanup(srv.Close)
	return base, tok.Reveal()
}

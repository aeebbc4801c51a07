package world

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
)

// KnownJWTs is a registration.JWTs that knows the claims of each token.
// Signatures are tested where they are verified (internal/adapter/issuers).
type KnownJWTs struct {
	mu    sync.Mutex
	Known map[string]*policy.JWT
	Fails error
	Asked int
}

// Verify implements registration.JWTs.
func (k *KnownJWTs) Verify(_ context.Context, issuers []policy.Issuer, token string) (*policy.JWT, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.Asked++
	if k.Fails != nil {
		return nil, k.Fails
	}
	j := k.Known[token]
	if j == nil {
		return nil, &policy.NotVerifiedError{Reason: "it is not signed", Cause: errors.New("for the log")}
	}
	if !slices.ContainsFunc(issuers, func(i policy.Issuer) bool { return i.URL == j.Issuer }) {
		return nil, policy.ErrUnknownIssuer
	}
	return j, nil
}

// Says makes token a valid JWT with these claims.
func (k *KnownJWTs) Says(token, issuer string, expires time.Time, claims policy.Claims) credential.Token {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.Known == nil {
		k.Known = make(map[string]*policy.JWT)
	}
	sub, _ := claims["sub"].(string)
	k.Known[token] = &policy.JWT{Issuer: issuer, Subject: sub, ID: "id of " + token, ExpiresAt: expires, Claims: claims}
	return credential.Presented(token)
}

// CIIssuer and AppsIssuer are the issuers that TrustingPolicy trusts.
const CIIssuer, AppsIssuer = "https://ci.example.com", "https://apps.example.com"

// TrustingPolicy trusts a CI system whose tokens have two uses each, another one
// whose tokens are not counted, and a publisher of software.
const TrustingPolicy = `{"version":1,"open_registration":"open","profiles":{
	"open":{"redirect_uris":{"loopback":true,"https":["https://app.example.com/cb"]},"software_statements":"accept"},
	"strict":{"redirect_uris":{"any_https":true},"token_endpoint_auth_methods":["client_secret_basic","none"],"software_statements":"require"},
	"ci":{"redirect_uris":{"any_https":true},"token_endpoint_auth_methods":["client_secret_basic","none"],
		"limits":{"app_clients":30,"creations_per_hour":30,"creations_per_hour_per_token":4}}},
	"token_issuers":[
		{"name":"ci","issuer":"https://ci.example.com","audience":"https://auth.example.com","claims":{"repo":"acme/app"},"profile":"ci","max_uses":2},
		{"name":"any","issuer":"https://ci.example.com","audience":"https://auth.example.com","claims":{"repo":"acme/trusted"},"profile":"ci"}],
	"statement_issuers":[{"issuer":"https://apps.example.com","claims":{"software_id":["one","two"]}}]}`

// CIClaims are the claims of the CI system for a repository.
func CIClaims(repo string) policy.Claims {
	return policy.Claims{"sub": "repo:" + repo + ":ref:refs/heads/main", "aud": "https://auth.example.com", "repo": repo}
}

// InBothModes runs f in a world of each mode under TrustingPolicy.
func InBothModes(t *testing.T, f func(t *testing.T, w *World)) {
	t.Run("direct", func(t *testing.T) {
		w := New(t)
		w.UsePolicy(TrustingPolicy)
		f(t, w)
	})
	t.Run("brokered", func(t *testing.T) {
		w := NewBrokered(t)
		w.UseBrokeredPolicy(TrustingPolicy)
		f(t, w.World)
	})
}

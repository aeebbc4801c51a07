// Package documents is wiring: the documents that a function reads at first use,
// which are the policy and the sealing keys.
package documents

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/dcr-broker/dcr-broker/internal/adapter/signed"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
)

// Keys are the sealing keys. They are read at first use and again every five
// minutes, so that they rotate without a deployment.
type Keys struct {
	// Held is a ring for holders that do not call Ring: it has the keys that
	// Ring returned last.
	Held seal.Ring
	kept *signed.Cached[*seal.Ring]
}

// NewKeys returns the keys that c names. It reads nothing yet.
func NewKeys(c *environment.Config, sdk aws.Config, log *slog.Logger) (*Keys, error) {
	if c.KeysEndpoint != "" {
		sdk.BaseEndpoint = aws.String(c.KeysEndpoint)
	}
	fetch, err := signed.Document(c.Keys, sdk)
	if err != nil {
		return nil, fmt.Errorf("KEYS: %w", err)
	}
	return &Keys{kept: signed.Cache(fetch, seal.Parse, time.Now, log)}, nil
}

// Ring returns the current keys. The ring never changes: after a rotation, Ring
// returns another one.
func (k *Keys) Ring(ctx context.Context) (*seal.Ring, error) {
	ring, err := k.kept.Get(ctx)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	k.Held.Become(ring)
	return ring, nil
}

// Ready reads the keys, if they are due, into Held.
func (k *Keys) Ready(ctx context.Context) error {
	_, err := k.Ring(ctx)
	return err
}

// Before returns a handler that calls Ready before it calls h. Without keys it
// answers 503.
func (k *Keys) Before(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := k.Ready(r.Context()); err != nil {
			httpapi.WriteError(w, r, &httpapi.Error{
				Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable",
				Description: "the broker is not ready", RetryAfter: 10 * time.Second, Cause: err,
			})
			return
		}
		h.ServeHTTP(w, r)
	})
}

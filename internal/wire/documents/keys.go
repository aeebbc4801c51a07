// Package documents is wiring: the documents that a function reads at first use,
// which are the policy and the sealing keys.
package documents

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/dcr-broker/dcr-broker/internal/adapter/signed"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
)

// Keys are the sealing keys. They are read at first use and again every five
// minutes, so that they rotate without a deployment.
type Keys struct{ cached *signed.Cached[*seal.Ring] }

// NewKeys returns the keys that c names. It reads nothing yet.
func NewKeys(c *environment.Config, sdk aws.Config, log *slog.Logger) (*Keys, error) {
	if c.KeysEndpoint != "" {
		sdk.BaseEndpoint = aws.String(c.KeysEndpoint)
	}
	fetch, err := signed.Document(c.Keys, sdk)
	if err != nil {
		return nil, fmt.Errorf("KEYS: %w", err)
	}
	return &Keys{signed.Cache(fetch, seal.Parse, time.Now, log)}, nil
}

// Ring returns the current keys. The ring never changes: after a rotation, Ring
// returns another one.
func (k *Keys) Ring(ctx context.Context) (*seal.Ring, error) {
	ring, err := k.cached.Get(ctx)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return ring, nil
}

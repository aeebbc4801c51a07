package wire

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

// Keys returns the function that returns the current sealing keys. It reads them
// at first use and again every five minutes, so that they rotate without a
// deployment. A ring never changes: after a rotation, another one is returned.
func Keys(c *environment.Environment, sdk aws.Config, now func() time.Time, log *slog.Logger) (func(context.Context) (*seal.Ring, error), error) {
	fetch, err := KeysDocument(c, sdk)
	if err != nil {
		return nil, err
	}
	keys := signed.Cache(fetch, seal.Parse, now, log)
	return func(ctx context.Context) (*seal.Ring, error) {
		ring, err := keys(ctx)
		if err != nil {
			return nil, fmt.Errorf("keys: %w", err)
		}
		return ring, nil
	}, nil
}

// KeysDocument returns the function that reads the document of the sealing keys.
func KeysDocument(c *environment.Environment, sdk aws.Config) (signed.Fetch, error) {
	if c.KeysEndpoint != "" {
		sdk.BaseEndpoint = aws.String(c.KeysEndpoint)
	}
	fetch, err := signed.Document(c.Keys, sdk)
	if err != nil {
		return nil, fmt.Errorf("KEYS: %w", err)
	}
	return fetch, nil
}

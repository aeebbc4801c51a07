package registration

import (
	"context"
	"errors"
	"fmt"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// A Change is an update of a registration that the policy allows (RFC 7592
// §2.2).
type Change struct {
	// Before is the registration before the update, and After the one that
	// Commit stores.
	Before, After *broker.Registration
	Profile       *policy.Profile
	// Secret is the client secret in the request, or zero. It must be the
	// current secret, because a client cannot choose it (RFC 7592 §2.2).
	Secret credential.Token

	store broker.Registrations
	trail broker.AuditTrail
}

// Commit stores After with a new registration access token. The token of the
// request stays valid beside it.
func (c *Change) Commit(ctx context.Context) error {
	err := broker.ReplaceRegistration(ctx, c.store, c.After)
	if errors.Is(err, broker.ErrNotFound) {
		return BadToken()
	}
	if err != nil {
		return Unavailable(fmt.Errorf("replace registration %s: %w", c.After.ClientID, err))
	}
	c.trail.Change(ctx, telemetry.RegistrationUpdated, broker.ByClient(c.After), c.Before, c.After)
	return nil
}

// CheckSecret returns an error if the request has a client secret whose hash is
// not inForce.
func (c *Change) CheckSecret(inForce credential.Hash) error {
	if c.Secret.IsZero() || inForce.Matches(c.Secret) {
		return nil
	}
	return dcr.Errorf(dcr.InvalidClientMetadata, "client_secret is not the present one, which cannot be chosen (RFC 7592 section 2.2)")
}

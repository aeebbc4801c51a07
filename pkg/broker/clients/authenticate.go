package clients

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// Credentials are what a client sent to authenticate. They print as
// "[redacted]".
type Credentials struct {
	credential.Redacted
	ID     string
	Secret string // "" if the client sent none
	// Basic: the client sent them with HTTP Basic, not in the body.
	Basic bool
}

// Authenticate returns the registration of the client that sent c, or a
// *broker.Refusal. In brokered mode it checks the secret. In direct mode only
// Cognito knows the secret, so Authenticate checks only whether the client sent
// one.
func (d *Directory) Authenticate(ctx context.Context, c Credentials) (*broker.Registration, error) {
	if broker.NamesMetadataDocument(c.ID) {
		return nil, broker.Refuse(broker.InvalidClient, broker.NoMetadataDocuments)
	}
	reg, err := d.Client(ctx, c.ID)
	// On invalid_client the client would register again, which does not help.
	switch {
	case errors.Is(err, broker.ErrPending):
		return nil, broker.Refuse(broker.UnauthorizedClient, "the client waits for the operator's approval")
	case errors.Is(err, broker.ErrDisabled):
		return nil, broker.Refuse(broker.UnauthorizedClient, "the operator of this server has switched this client off")
	}
	if errors.Is(err, broker.ErrNotFound) {
		return nil, broker.Refuse(broker.InvalidClient, "the client is not registered, or no longer registered; register again")
	}
	if err != nil {
		return nil, broker.Unavailable("the registration could not be read, try again", broker.RetrySoon, fmt.Errorf("look up client: %w", err))
	}
	// A client with a secret must authenticate (RFC 6749 §3.2.1). The server
	// chooses the method (RFC 6749 §2.3.1): here a client may use the header or
	// the body, whichever it registered. Some clients do not notice that the
	// broker registered another method than they requested.
	public := reg.Metadata.TokenEndpointAuthMethod == dcr.AuthNone
	if public && c.Secret != "" {
		return nil, broker.Refuse(broker.InvalidClient, "the client is registered with the method none and must not send a secret")
	}
	if !public && c.Secret == "" {
		return nil, broker.Refuse(broker.InvalidClient, "the client must authenticate with its secret")
	}
	broker.SetClientAttrs(ctx, reg)
	if reg.Mode == broker.ModeBrokered && !public && !reg.SecretHash.Matches(credential.Presented(c.Secret)) {
		return nil, broker.Refuse(broker.InvalidClient, "client authentication failed")
	}
	return reg, nil
}

// RecordUse records the use of a client while the caller does other work. The
// returned function waits until the use is recorded or ctx ends, because Lambda
// freezes the process after the answer. A failure is logged and does not fail
// the request.
func (d *Directory) RecordUse(ctx context.Context, log *slog.Logger, reg *broker.Registration) (wait func()) {
	done, used := make(chan error, 1), reg.Clone()
	go func() {
		var err error
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
			}
			done <- err
		}()
		err = d.Touch(ctx, used)
	}()
	return func() {
		var err error
		select {
		case err = <-done:
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			log.WarnContext(ctx, "last use not recorded", "request_id", telemetry.Of(ctx).ID(), "client_id", reg.ClientID, "error", err)
		}
	}
}

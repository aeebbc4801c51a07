package oauthform

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// Clients are the registered clients; *broker.Service and *broker.Clients have
// them. They are used concurrently.
type Clients interface {
	// Client returns the registration of a client of this deployment's mode that
	// may be used now, or broker.ErrNotFound if there is none. clientID may be anything at all.
	// After any other error it is not known whether there is one.
	Client(ctx context.Context, clientID string) (*broker.Registration, error)
	// Touch records that the client of r was used now. It decides by itself
	// whether that needs a write, and returns when ctx ends.
	Touch(ctx context.Context, r *broker.Registration) error
}

// Registered returns the registration of the client that sent c, if its way of
// authentication suits it. A secret is there if there must be one; whether it is
// right is left to the caller. The error is an *httpapi.Error.
//
// A client with a secret may send it either way, whichever it registered:
// clients that got a substitute for what they asked for do not always notice.
func Registered(ctx context.Context, clients Clients, c Credentials) (*broker.Registration, error) {
	reg, err := clients.Client(ctx, c.ID)
	if errors.Is(err, broker.ErrPending) {
		// Not invalid_client, which would make it register again.
		return nil, Refusal("unauthorized_client", "the client waits for the operator's approval")
	}
	if errors.Is(err, broker.ErrNotFound) {
		return nil, c.Invalid("the client is not registered, or not any more; register again")
	}
	if err != nil {
		return nil, Unavailable("the registration could not be read", fmt.Errorf("look up client: %w", err))
	}
	public := reg.Metadata.TokenEndpointAuthMethod == dcr.AuthNone
	if public && c.Secret != "" {
		return nil, c.Invalid("the client is registered with the method none and must not send a secret")
	}
	if !public && c.Secret == "" {
		return nil, c.Invalid("the client must authenticate with its secret")
	}
	telemetry.Note(ctx, telemetry.ClientID, reg.ClientID)
	telemetry.Note(ctx, telemetry.Profile, reg.Profile)
	return reg, nil
}

// RecordUse records the use of a client while the caller does something else.
// The function that it returns waits for the end of that, or of ctx: Lambda
// freezes the process once the request is answered. That the client was used is
// worth a log line if it cannot be recorded, and never the client's token.
func RecordUse(ctx context.Context, log *slog.Logger, clients Clients, reg *broker.Registration) (wait func()) {
	done, used := make(chan error, 1), reg.Clone()
	go func() {
		var err error
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("panic: %v", v)
			}
			done <- err
		}()
		err = clients.Touch(ctx, used)
	}()
	return func() {
		var err error
		select {
		case err = <-done:
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			log.WarnContext(ctx, "last use not recorded", "client_id", reg.ClientID, "error", err)
		}
	}
}

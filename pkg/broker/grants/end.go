package grants

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
)

const (
	// endTime limits the time for ending one grant.
	endTime = 5 * time.Second
	// readAgainTime limits the time for finding out whether a write was applied.
	readAgainTime = 2 * time.Second
	// Attempts is how often a change is tried again when other requests change
	// the same grant. It exceeds the number of refresh tokens that can be used
	// at the same time.
	Attempts = 12
)

// Store is the part of broker.GrantStore that an Ender uses.
type Store interface {
	Writer
	GrantsOf(ctx context.Context, clientID string) iter.Seq2[string, error]
	OfUser(ctx context.Context, sub string) iter.Seq2[broker.UserRecord, error]
	Tokens(ctx context.Context, id string) (*broker.SealedTokens, error)
	DeleteTokens(ctx context.Context, id string, version int64) error
	DeleteConsent(ctx context.Context, key string) error
	LeftTransaction(ctx context.Context, key string) (*broker.Transaction, error)
	DeleteTransaction(ctx context.Context, key credential.Hash) error
}

// Writer is the part of broker.GrantStore that Replace uses.
type Writer interface {
	Grant(ctx context.Context, id string) (*broker.Grant, error)
	ReplaceGrant(ctx context.Context, g *broker.Grant) error
}

// Cognito is Cognito's revocation endpoint.
type Cognito interface {
	// Revoke revokes a refresh token and all tokens of the same sign-in. A token
	// that is no longer valid is no error. The error is a *broker.UpstreamError.
	Revoke(ctx context.Context, app broker.AppCredentials, refreshToken string) error
}

// Config is what an Ender needs. All fields are REQUIRED.
type Config struct {
	Store      Store
	AppClients *AppClients
	Cognito    Cognito
	// Keys returns the sealing keys. It is called once for each call of the
	// Ender.
	Keys func(context.Context) (*seal.Ring, error)
	Now  func() time.Time
}

// Ender ends grants. It is safe for concurrent use.
type Ender struct{ config Config }

// New returns an Ender, or an error if a field of c is missing.
func New(c Config) (*Ender, error) {
	if c.Store == nil || c.AppClients == nil || c.Cognito == nil || c.Keys == nil || c.Now == nil {
		return nil, errors.New("grants: Store, AppClients, Cognito, Keys and Now are required")
	}
	return &Ender{c}, nil
}

// EndGrant ends g, which the caller has read; EndByID reads the grant first.
// EndGrant marks the stored grant as ended, deletes the remembered consent,
// revokes Cognito's refresh token, deletes Cognito's tokens, and stores that they
// are gone, in this order. After the first step the broker issues no more tokens
// for g, and g.EndedAt is set, even if EndGrant returns an error. After an error
// the caller can call EndGrant again, even with a grant that has ended, and it
// completes the missing steps. If ctx is cancelled, it continues for at most five
// seconds. ring has the keys of the request.
func (e *Ender) EndGrant(ctx context.Context, ring *seal.Ring, g *broker.Grant) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer cancel()
	if err := e.mark(ctx, g); err != nil {
		return fmt.Errorf("end grant %s: %w", g.ID, err)
	}
	if !g.Unfinished() {
		return nil // the grant had no tokens, or they have been revoked
	}
	if err := e.config.Store.DeleteConsent(ctx, g.ConsentKey); err != nil {
		return fmt.Errorf("delete the consent of grant %s: %w", g.ID, err)
	}
	if err := e.endTokens(ctx, ring, g); err != nil {
		return fmt.Errorf("tokens of grant %s: %w", g.ID, err)
	}
	done := g.Clone()
	done.TokensGone = true
	err := e.config.Store.ReplaceGrant(ctx, done)
	if err == nil {
		*g = *done
	}
	if err == nil || errors.Is(err, broker.ErrConflict) || errors.Is(err, broker.ErrNotFound) {
		return nil // a request that changes an ended grant takes the same step
	}
	return fmt.Errorf("complete the end of grant %s: %w", g.ID, err)
}

// mark stores that g has ended, and sets g to what is stored.
func (e *Ender) mark(ctx context.Context, g *broker.Grant) error {
	for range Attempts {
		if !g.EndedAt.IsZero() {
			return nil
		}
		ended := g.Clone()
		ended.EndedAt, ended.Live = e.config.Now(), nil
		err := Replace(ctx, e.config.Store, ended, func(stored *broker.Grant) bool { return !stored.EndedAt.IsZero() })
		switch {
		case err == nil, errors.Is(err, broker.ErrNotFound):
			*g = *ended
			return nil
		case !errors.Is(err, broker.ErrConflict):
			return err
		}
		stored, err := e.config.Store.Grant(ctx, g.ID)
		if errors.Is(err, broker.ErrNotFound) {
			*g = *ended
			return nil
		}
		if err != nil {
			return err
		}
		*g = *stored
	}
	return broker.ErrConflict
}

// endTokens revokes Cognito's refresh token and deletes the stored tokens. If
// these are gone, a former call has done both. If a refresh has stored a new
// token meanwhile, endTokens revokes that one, too.
func (e *Ender) endTokens(ctx context.Context, ring *seal.Ring, g *broker.Grant) error {
	err := broker.ErrConflict
	for range Attempts {
		stored, readErr := e.config.Store.Tokens(ctx, g.TokensID)
		if errors.Is(readErr, broker.ErrNotFound) {
			return nil
		}
		if readErr != nil {
			return readErr
		}
		t, openErr := Open(ring, g.ID, stored)
		if openErr != nil {
			return openErr
		}
		if err := e.Revoke(ctx, ring, g, t); err != nil {
			return fmt.Errorf("revoke: %w", err)
		}
		if err = e.config.Store.DeleteTokens(ctx, stored.ID, stored.Version); !errors.Is(err, broker.ErrConflict) {
			return err
		}
	}
	return err
}

// Revoke revokes the refresh token of t, Cognito's tokens of g. If the app client
// no longer exists, its tokens are already invalid.
func (e *Ender) Revoke(ctx context.Context, ring *seal.Ring, g *broker.Grant, t broker.Tokens) error {
	if t.RefreshToken == "" {
		return nil
	}
	err := e.config.AppClients.WithApp(
		e.config.AppClients.AppOf(ctx, ring, g, t), g.AppClient,
		func(a App) error { return e.config.Cognito.Revoke(ctx, a.AppCredentials, t.RefreshToken) })
	if errors.Is(err, ErrAppClientGone) {
		return nil
	}
	return err
}

// Open returns Cognito's tokens of the grant with this id.
func Open(ring *seal.Ring, grantID string, stored *broker.SealedTokens) (broker.Tokens, error) {
	text, err := ring.Open(broker.SealGrant, grantID, stored.Sealed)
	if err != nil {
		return broker.Tokens{}, err
	}
	return broker.DecodeTokens(text)
}

// Replace stores g. If the result of the write is unknown, Replace reads the
// grant again, and applied reports whether the stored grant has the change.
func Replace(ctx context.Context, store Writer, g *broker.Grant, applied func(stored *broker.Grant) bool) error {
	err := store.ReplaceGrant(ctx, g)
	if err == nil || errors.Is(err, broker.ErrConflict) || errors.Is(err, broker.ErrNotFound) {
		return err
	}
	again, cancel := context.WithTimeout(context.WithoutCancel(ctx), readAgainTime)
	defer cancel()
	stored, readErr := store.Grant(again, g.ID)
	if readErr == nil && applied(stored) {
		*g = *stored
		return nil
	}
	return errors.Join(err, readErr)
}

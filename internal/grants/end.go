package grants

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
)

const (
	// endTime is how long ending a grant may take, whoever waits for it.
	endTime = 5 * time.Second
	// lookTime is how long it may take to find out whether a write was applied.
	lookTime = 2 * time.Second
	// maxAttempts is how often a change is tried against others that change the
	// same grant: all the siblings that there may be, and some.
	maxAttempts = 12

	tokensPurpose = "grant"
)

// EnderConfig is what an Ender needs. All fields but Now are REQUIRED.
type EnderConfig struct {
	Grants     Grants
	AppClients AppClients
	Cognito    Cognito
	Ring       *seal.Ring
	Now        func() time.Time // nil is time.Now
}

// Ender ends grants. It is safe for concurrent use.
type Ender struct {
	store   Grants
	cognito Cognito
	apps    *apps
	ring    *seal.Ring
	now     func() time.Time
}

// NewEnder returns an Ender, or an error if a field of c is missing.
func NewEnder(c EnderConfig) (*Ender, error) {
	if c.Grants == nil || c.AppClients == nil || c.Cognito == nil || c.Ring == nil {
		return nil, errors.New("grants: Grants, AppClients, Cognito and Ring are required")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	records := &apps{records: c.AppClients, ring: c.Ring, now: c.Now, known: make(map[string]app)}
	return &Ender{c.Grants, c.Cognito, records, c.Ring, c.Now}, nil
}

// End ends the grant, then forgets the consent that is remembered for it, and
// revokes Cognito's refresh token. Once the first is done, from which on g yields
// nothing, g.EndedAt is set, whatever End returns. After an error End can be
// called again, also with a grant that has ended, and does what was left undone.
// It goes on when ctx is cancelled, for at most five seconds.
func (e *Ender) End(ctx context.Context, g *broker.Grant) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer cancel()
	if err := e.mark(ctx, g); err != nil {
		return fmt.Errorf("end grant %s: %w", g.ID, err)
	}
	if g.Tokens == "" {
		return nil // it had none, or they have been revoked
	}
	key := g.ConsentKey(e.ring)
	if err := e.store.DeleteConsent(ctx, key); err != nil {
		return fmt.Errorf("forget the consent of grant %s: %w", g.ID, err)
	}
	if err := e.revoke(ctx, g); err != nil {
		return fmt.Errorf("revoke the tokens of grant %s: %w", g.ID, err)
	}
	done := g.Clone()
	done.Tokens = ""
	err := e.store.ReplaceGrant(ctx, done)
	if err == nil {
		*g = *done
	}
	if err == nil || errors.Is(err, broker.ErrConflict) || errors.Is(err, broker.ErrNotFound) {
		return nil // whoever changed an ended grant does this too
	}
	return fmt.Errorf("forget the tokens of grant %s: %w", g.ID, err)
}

// mark stores that g has ended, and makes g what is stored.
func (e *Ender) mark(ctx context.Context, g *broker.Grant) error {
	for range maxAttempts {
		if !g.EndedAt.IsZero() {
			return nil
		}
		ended := g.Clone()
		ended.EndedAt, ended.Live = e.now(), nil
		err := e.replace(ctx, ended, func(stored *broker.Grant) bool { return !stored.EndedAt.IsZero() })
		switch {
		case err == nil, errors.Is(err, broker.ErrNotFound):
			*g = *ended
			return nil
		case !errors.Is(err, broker.ErrConflict):
			return err
		}
		present, err := e.store.Grant(ctx, g.ID)
		if errors.Is(err, broker.ErrNotFound) {
			*g = *ended
			return nil
		}
		if err != nil {
			return err
		}
		*g = *present
	}
	return broker.ErrConflict
}

// replace stores g. If it is not known whether that happened, it looks: applied
// tells by what is stored.
func (e *Ender) replace(ctx context.Context, g *broker.Grant, applied func(stored *broker.Grant) bool) error {
	err := e.store.ReplaceGrant(ctx, g)
	if err == nil || errors.Is(err, broker.ErrConflict) || errors.Is(err, broker.ErrNotFound) {
		return err
	}
	look, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookTime)
	defer cancel()
	stored, readErr := e.store.Grant(look, g.ID)
	if readErr == nil && applied(stored) {
		*g = *stored
		return nil
	}
	return errors.Join(err, readErr)
}

// revoke revokes Cognito's refresh token, and whatever came of it where Cognito
// itself checks. If the app client is gone, so are its tokens.
func (e *Ender) revoke(ctx context.Context, g *broker.Grant) error {
	kept, err := e.tokens(g)
	if err != nil {
		return err
	}
	if kept.RefreshToken == "" {
		return nil
	}
	err = e.apps.with(
		e.apps.kept(ctx, g, kept), g.AppClient,
		func(a app) error { return e.cognito.Revoke(ctx, a.AppCredentials, kept.RefreshToken) })
	if errors.Is(err, errGone) {
		return nil
	}
	return err
}

// tokens returns Cognito's tokens as they were when the grant was made.
func (e *Ender) tokens(g *broker.Grant) (broker.Tokens, error) {
	text, err := e.ring.Open(tokensPurpose, g.ID, g.Tokens)
	if err != nil {
		return broker.Tokens{}, err
	}
	return broker.DecodeTokens(text)
}

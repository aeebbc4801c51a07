package grants

import (
	"context"
	"errors"
	"fmt"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
)

// EndSignIn implements broker.GrantEnder. It revokes before it deletes, so that a
// call that was interrupted can be repeated.
func (e *Ender) EndSignIn(ctx context.Context, key string) (bool, error) {
	t, err := e.config.Store.LeftTransaction(ctx, key)
	if errors.Is(err, broker.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read transaction: %w", err)
	}
	if t.Due.IsZero() || t.Due.After(e.config.Now()) {
		return false, nil // the list of what is due lags behind
	}
	ring, err := e.config.Keys(ctx)
	if err != nil {
		return false, err
	}
	granted, err := e.granted(ctx, ring, t)
	if err != nil {
		return false, err
	}
	if !granted {
		if err := e.revokeSignIn(ctx, ring, t); err != nil {
			return false, fmt.Errorf("revoke the sign-in of a transaction of client %s: %w", t.ClientID, err)
		}
	}
	if err := e.config.Store.DeleteTransaction(ctx, t.Key); err != nil {
		return !granted, fmt.Errorf("delete transaction: %w", err)
	}
	return !granted, nil
}

// granted reports whether a grant that has not ended has the sign-in of t, from
// this transaction or another one. Its end ends the sign-in.
func (e *Ender) granted(ctx context.Context, ring *seal.Ring, t *broker.Transaction) (bool, error) {
	if t.OriginJTI == "" {
		return false, nil
	}
	for n := range broker.MaxGrants {
		g, err := e.config.Store.Grant(ctx, broker.GrantID(ring, t.OriginJTI, n))
		if errors.Is(err, broker.ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("read the grant of a transaction: %w", err)
		}
		if g.EndedAt.IsZero() {
			return true, nil
		}
	}
	return false, nil
}

// revokeSignIn revokes the refresh token of t, which has no grant.
func (e *Ender) revokeSignIn(ctx context.Context, ring *seal.Ring, t *broker.Transaction) error {
	tokens, err := t.OpenTokens(ring)
	if err != nil {
		return err
	}
	return e.Revoke(ctx, ring, &broker.Grant{AppClient: t.AppClient, CognitoID: t.CognitoID}, tokens)
}

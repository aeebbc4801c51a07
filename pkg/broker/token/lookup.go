package token

import (
	"context"
	"errors"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
)

// grantOf returns the grant that an access token of Cognito was issued for, or
// broker.ErrNotFound. If several grants match, it prefers one that has not ended.
func (i *Issuer) grantOf(ctx context.Context, ring *seal.Ring, c Claims) (*broker.Grant, error) {
	origin := c.OriginJTI
	if origin == "" {
		origin = ownOrigin(c.ClientID)
	}
	var ended *broker.Grant
	for n := range broker.MaxGrants {
		g, err := i.Store.Grant(ctx, broker.GrantID(ring, origin, n))
		if errors.Is(err, broker.ErrNotFound) {
			break
		}
		if err != nil {
			return nil, err
		}
		if g.CognitoID != c.ClientID || !isClientCredentials(g) && g.User.Sub != c.Sub {
			continue
		}
		if g.EndedAt.IsZero() {
			return g, nil
		}
		ended = g
	}
	if ended == nil {
		return nil, broker.ErrNotFound
	}
	return ended, nil
}

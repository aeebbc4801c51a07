package grants

import (
	"context"
	"errors"

	"github.com/dcr-broker/dcr-broker/internal/adapter/jwt"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// maxGrants is how many grants may come of one sign-in; see grant.ID.
const maxGrants = 4

// grantOf returns the grant that an access token of Cognito's came of, one that
// stands if there is one, or broker.ErrNotFound.
func (e *Endpoints) grantOf(ctx context.Context, c jwt.Claims) (*broker.Grant, error) {
	origin := c.OriginJTI
	if origin == "" {
		origin = machineOrigin(c.ClientID)
	}
	var ended *broker.Grant
	for n := range maxGrants {
		g, err := e.store.Grant(ctx, broker.GrantID(e.ring, origin, n))
		if errors.Is(err, broker.ErrNotFound) {
			break
		}
		if err != nil {
			return nil, err
		}
		if g.OriginJTI != origin || g.CognitoID != c.ClientID || g.User.Sub != "" && g.User.Sub != c.Sub {
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

// answerable reports whether err is meant for a client as it is.
func answerable(err error) bool {
	if _, ok := errors.AsType[*httpapi.Error](err); ok {
		return true
	}
	_, ok := errors.AsType[*dcr.Error](err)
	return ok
}

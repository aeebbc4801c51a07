package authorize

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

// maxGrants is how many grants one sign-in at Cognito may have.
const maxGrants = 4

// issue stores the grant of t and returns its code. Issued twice, it is one
// grant and the same code: the id follows from the sign-in, the code from the
// secret in the cookie.
func (f *Front) issue(r *http.Request, s secret, t *broker.Transaction) (credential.Token, error) {
	ctx := r.Context()
	tokens, err := f.Keys.Open(purposeTransaction, t.Key.String(), t.Tokens)
	if err != nil {
		return credential.Token{}, err
	}
	now := f.Now().UTC().Truncate(time.Second)
	for n := range maxGrants {
		id := broker.GrantID(f.Keys, t.OriginJTI, n)
		code := s.code(id)
		g := &broker.Grant{
			ID:            id,
			ClientID:      t.ClientID,
			Generation:    t.Generation,
			User:          t.User,
			Scopes:        t.Scopes,
			Resource:      t.Resource,
			OriginJTI:     t.OriginJTI,
			Code:          code.Hash(),
			CodeExpiresAt: now.Add(broker.CodeLifetime),
			RedirectURI:   t.RedirectURI,
			Challenge:     t.Challenge,
			AppClient:     t.AppClient,
			CognitoID:     t.CognitoID,
			Tokens:        f.Keys.Seal(purposeGrant, id, tokens),
			CreatedAt:     now,
			ExpiresAt:     now.Add(f.RefreshLifetime),
		}
		err := f.Grants.CreateGrant(ctx, g)
		if err == nil {
			httpapi.Audit(r, telemetry.Audit{
				Event: telemetry.GrantCreated, Actor: telemetry.Actor{Kind: "user", ID: t.User.Sub}, ClientID: g.ClientID, AppClient: g.CognitoID, Grant: id, User: t.User.Sub,
				After: []slog.Attr{slog.String("scope", strings.Join(g.Scopes, " ")), slog.String("resource", g.Resource), slog.Time("expires_at", g.ExpiresAt)},
			})
			return code, nil
		}
		// Either somebody else's, or ours of which the reply was lost.
		found, readErr := f.Grants.Grant(ctx, id)
		if readErr == nil && found.Code.Matches(code) {
			return code, nil
		}
		if !errors.Is(err, broker.ErrExists) {
			return credential.Token{}, fmt.Errorf("create grant: %w", err)
		}
	}
	return credential.Token{}, fmt.Errorf("the sign-in has %d grants already", maxGrants)
}

// issued returns the code that was issued for t and has not been used yet.
func (f *Front) issued(ctx context.Context, s secret, t *broker.Transaction) (credential.Token, bool, error) {
	for n := range maxGrants {
		id := broker.GrantID(f.Keys, t.OriginJTI, n)
		g, err := f.Grants.Grant(ctx, id)
		if errors.Is(err, broker.ErrNotFound) {
			return credential.Token{}, false, nil
		}
		if err != nil {
			return credential.Token{}, false, err
		}
		if code := s.code(id); g.Code.Matches(code) {
			good := !g.CodeUsed && g.EndedAt.IsZero() && f.Now().Before(g.CodeExpiresAt)
			return code, good, nil
		}
	}
	return credential.Token{}, false, nil
}

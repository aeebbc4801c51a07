package grants

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/oauthform"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

const (
	// machineLife is how long the grant of a client to itself is kept after the
	// client last asked for a token, and machineRest how much of that there is
	// left when it is prolonged: more than any access token lives (24 h).
	machineLife = 30 * 24 * time.Hour
	machineRest = 48 * time.Hour
)

// clientCredentials is RFC 6749 §4.4. The app client is the registration's own,
// and is made when the first token is asked for.
func (e *Endpoints) clientCredentials(ctx context.Context, req request) (*answer, error) {
	scopes, err := e.machineScopes(req)
	if err != nil {
		return nil, err
	}
	key := broker.DedicatedAppClientKey(req.reg.ClientID, req.reg.Generation)
	var t broker.Tokens
	var granted []string
	wait := oauthform.RecordUse(ctx, req.log, e.Clients, req.reg)
	defer wait()
	err = e.apps.with(
		func() (app, error) { return e.provisioned(ctx, key) }, key,
		func(a app) (err error) {
			if granted = intersect(scopes, a.scopes); len(granted) == 0 {
				return oauthform.Refusal("invalid_scope", "there is none among the scopes that the client can be given now")
			}
			g, err := e.keepMachine(ctx, req, key, a.ID)
			if err != nil {
				return err
			}
			if t, err = e.cognito.ClientCredentials(ctx, a.AppCredentials, granted); err == nil {
				req.issued(g, dcr.GrantClientCredentials, granted, t.ExpiresAt)
			}
			return err
		})
	if err != nil {
		return nil, e.machineError(req, err)
	}
	return &answer{AccessToken: t.AccessToken, TokenType: "Bearer", ExpiresIn: e.seconds(t.ExpiresAt), Scope: strings.Join(granted, " ")}, nil
}

// machineScopes are the scopes to ask for: those that the client named, or all
// that it is registered for, as far as they are the resource's (RFC 8707 §2).
// They are all that ties the token to the resource, since Cognito binds none.
func (e *Endpoints) machineScopes(req request) ([]string, error) {
	registered := strings.Fields(req.reg.Metadata.Scope)
	scopes, err := oauthform.Scopes(req.form, registered)
	if err != nil {
		return nil, err
	}
	if len(scopes) == 0 {
		scopes = registered
	}
	named, err := oauthform.Resource(req.form)
	if err != nil {
		return nil, err
	}
	r, ok := e.resource(named)
	switch {
	case ok:
		scopes = intersect(scopes, r.Scopes)
	case named != "":
		return nil, oauthform.Refusal("invalid_target", "resource is not one that tokens are issued for here")
	}
	scopes = slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return s == "openid" }) // there is no user
	if len(scopes) == 0 {
		return nil, oauthform.Refusal("invalid_scope", "there is none among the scopes that the client may have")
	}
	return scopes, nil
}

func intersect(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return !slices.Contains(b, s) })
}

// provisioned returns the app client with that key, which is made if there is
// none.
func (e *Endpoints) provisioned(ctx context.Context, key string) (app, error) {
	a, err := e.apps.get(ctx, key)
	if err == nil && a.stale {
		// Sealed again by the provisioner; until then the old key opens it.
		if err := e.Provisioner.Provision(ctx, key); err == nil {
			return e.apps.read(ctx, key)
		}
	}
	if !errors.Is(err, broker.ErrNotFound) {
		return a, err
	}
	if err := e.Provisioner.Provision(ctx, key); err != nil {
		return app{}, fmt.Errorf("provision app client %s: %w", key, err)
	}
	return e.apps.get(ctx, key)
}

// keepMachine sees to the grant of a client to itself, which is how a token of
// its app client is found to be its own.
func (e *Endpoints) keepMachine(ctx context.Context, req request, key, appID string) (*broker.Grant, error) {
	now := e.now()
	id := broker.GrantID(e.ring, machineOrigin(appID), 0)
	g, err := e.store.Grant(ctx, id)
	switch {
	case errors.Is(err, broker.ErrNotFound):
		g = &broker.Grant{
			ID: id, ClientID: req.reg.ClientID, Generation: req.reg.Generation,
			Scopes: strings.Fields(req.reg.Metadata.Scope), OriginJTI: machineOrigin(appID),
			AppClient: key, CognitoID: appID, CreatedAt: now, ExpiresAt: now.Add(machineLife),
		}
		if err = e.store.CreateGrant(ctx, g); err == nil {
			req.audit(telemetry.GrantCreated, g, slog.String("scope", strings.Join(g.Scopes, " ")))
		}
	case err == nil && !g.EndedAt.IsZero():
		return nil, oauthform.Refusal("unauthorized_client", "what this client may do has been ended; ask the operator")
	case err == nil && g.ExpiresAt.Sub(now) < machineRest:
		g.ExpiresAt = now.Add(machineLife)
		err = e.store.ReplaceGrant(ctx, g)
	}
	if err == nil || errors.Is(err, broker.ErrExists) || errors.Is(err, broker.ErrConflict) {
		return g, nil // another request did it
	}
	return nil, oauthform.Unavailable("the grant could not be stored", err)
}

// machineOrigin stands for the origin_jti that tokens without a user lack.
func machineOrigin(appID string) string { return "client_credentials:" + appID }

// machineError is the answer to err.
func (e *Endpoints) machineError(req request, err error) error {
	if refused, ok := errors.AsType[*broker.UpstreamError](err); ok && refused.Code != "" {
		if refused.Code == "invalid_scope" {
			return oauthform.Refusal("invalid_scope", "Cognito does not give the client these scopes")
		}
		return cognitoFailed(err)
	}
	if e, ok := errors.AsType[*broker.UpstreamError](err); ok && e.Code == "" {
		return cognitoFailed(err)
	}
	if answerable(err) {
		return err
	}
	if errors.Is(err, broker.ErrNotFound) {
		return oauthform.Refusal("unauthorized_client", "the client may not have tokens of its own any more")
	}
	return oauthform.Unavailable("the app client could not be read", err)
}

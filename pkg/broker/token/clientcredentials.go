package token

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/grants"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

const (
	// ownGrantTime is how long the grant of a client to itself is stored after
	// the client's last token request. The grant is extended when less than
	// ownGrantRest is left. ownGrantRest exceeds the lifetime of any access
	// token (24 h).
	ownGrantTime = 30 * 24 * time.Hour
	ownGrantRest = 48 * time.Hour
)

// clientCredentials is the grant type client_credentials (RFC 6749 §4.4). The
// client has an app client of its own, which is made for its first token.
type clientCredentials struct{ *call }

// issue runs the request: check, find the app client, commit, fetch the token.
func (c clientCredentials) issue(ctx context.Context) (*Response, error) {
	scopes, resource, err := c.wanted(ctx)
	// The policy may refuse a client for a time. It is in use all the same, so that
	// it does not end by its inactivity. A client that is not confirmed has to get a
	// token first.
	if err == nil || c.reg.ExpiresAt.IsZero() {
		wait := c.Clients.RecordUse(ctx, c.Log, c.reg)
		defer wait()
	}
	if err != nil {
		return nil, err
	}
	key := broker.DedicatedAppClientKey(c.reg.ClientID, c.reg.Generation)
	var t broker.Tokens
	var g *broker.Grant
	var granted []string
	err = c.AppClients.WithApp(
		func() (grants.App, error) { return c.app(ctx, key) }, key,
		func(a grants.App) (err error) {
			if granted = intersect(scopes, a.Scopes); len(granted) == 0 {
				return broker.Refuse(broker.InvalidScope, "none of the scopes can be granted to the client now")
			}
			if g, err = c.commit(ctx, key, a.ID); err != nil {
				return err
			}
			t, err = c.Cognito.ClientCredentials(ctx, a.AppCredentials, granted)
			return err
		})
	if err != nil {
		return nil, clientCredentialsError(err)
	}
	if err := c.remember(ctx, t, resource); err != nil {
		return nil, err
	}
	c.auditIssued(ctx, g, granted, t.ExpiresAt)
	return &Response{AccessToken: t.AccessToken, TokenType: "Bearer", ExpiresIn: c.seconds(t.ExpiresAt), Scope: strings.Join(granted, " ")}, nil
}

// wanted returns the scopes to request from Cognito, and the resource that the token
// is for, "" if it is for none in particular. If the configuration in force
// withholds something, wanted looks in the newest one. Nothing ends: when the
// operator restores the policy, the client has its scopes again.
func (c clientCredentials) wanted(ctx context.Context) (scopes []string, resource string, err error) {
	name, err := c.OneResource()
	if err != nil {
		return nil, "", err
	}
	conf, err := c.Configuration(ctx)
	if err != nil {
		return nil, "", err
	}
	requested, err := c.requested(conf)
	if err != nil {
		return nil, "", err
	}
	scopes, resource, err = c.allowed(conf, requested, name)
	if err == nil && len(left(profileOf(conf, c.reg), requested)) == len(requested) {
		return scopes, resource, nil
	}
	if conf, err = c.Configuration(broker.Newest(ctx)); err != nil {
		return nil, "", err
	}
	return c.allowed(conf, requested, name)
}

// requested returns the requested scopes that the client is registered for. If no
// requested scope exists, these are all that it is registered for, as in a request
// without scope.
func (c clientCredentials) requested(conf *configuration.Configuration) ([]string, error) {
	// Without a user there is no sign-in.
	registered := slices.DeleteFunc(strings.Fields(c.reg.Metadata.Scope), func(s string) bool { return s == broker.ScopeOpenID })
	scopes := broker.ChooseScopes(strings.Fields(c.Scope), registered, registered, conf.Grants)
	if len(scopes) == 0 {
		return nil, broker.Refuse(broker.InvalidScope, "none of the requested scopes is one that the client is registered for")
	}
	return scopes, nil
}

// allowed returns those of the requested scopes that the profile allows and that
// the protected resource has (RFC 8707 §2), and the URL of that. name is the
// requested resource; without a name, it is the only one of the configuration, or
// none.
func (c clientCredentials) allowed(conf *configuration.Configuration, requested []string, name string) (scopes []string, resource string, err error) {
	profile := profileOf(conf, c.reg)
	switch {
	case profile == nil:
		return nil, "", broker.Refuse(broker.UnauthorizedClient, "the operator has withdrawn the profile of the client")
	case !profile.AllowsGrantType(c.GrantType):
		return nil, "", errGrantTypeWithdrawn
	}
	scopes = left(profile, requested)
	r, ok := resourceOf(conf, name)
	switch {
	case ok:
		scopes = intersect(scopes, r.Scopes)
	case name != "":
		return nil, "", broker.Refuse(broker.InvalidTarget, "resource is not one that tokens are issued for here")
	}
	if len(scopes) == 0 {
		return nil, "", broker.Refuse(broker.InvalidScope, "none of the requested scopes can be granted to the client")
	}
	return scopes, r.URL, nil
}

// remember stores for which resource t was requested. Cognito binds no resource to a
// token of client_credentials, and another resource may have the same scopes. The
// client gets the token only if the resource is stored.
func (c clientCredentials) remember(ctx context.Context, t broker.Tokens, resource string) error {
	if resource == "" || t.JTI == "" {
		return nil
	}
	err := c.Store.PutMachineToken(ctx, &broker.MachineToken{ID: t.JTI, Resource: resource, ExpiresAt: t.ExpiresAt})
	if err != nil {
		return unavailable("the resource of the token could not be stored", err)
	}
	return nil
}

// resourceOf returns the protected resource with that identifier, or the only
// one of the configuration if name is empty.
func resourceOf(conf *configuration.Configuration, name string) (r broker.Resource, ok bool) {
	if name == "" && len(conf.Resources) == 1 {
		return conf.Resources[0], true
	}
	for _, r := range conf.Resources {
		if name != "" && broker.SameResource(r.URL, name) {
			return r, true
		}
	}
	return broker.Resource{}, false
}

// app returns the app client with that key, and makes it if it does not exist.
func (c clientCredentials) app(ctx context.Context, key string) (grants.App, error) {
	a, err := c.AppClients.Get(ctx, c.ring, key)
	if err == nil && a.Stale {
		// The provisioner seals the secret again. If it cannot now, the former key
		// still opens it.
		err := c.Provisioner.Provision(ctx, key)
		if err == nil {
			return c.AppClients.Read(ctx, c.ring, key)
		}
		c.Log.WarnContext(ctx, "app client secret not sealed again, the former key is still needed",
			"request_id", telemetry.Of(ctx).ID(), "app_client", a.ID, "error", err)
	}
	if !errors.Is(err, broker.ErrNotFound) {
		return a, err
	}
	if err := c.Provisioner.Provision(ctx, key); err != nil {
		return grants.App{}, fmt.Errorf("provision app client %s: %w", key, err)
	}
	return c.AppClients.Get(ctx, c.ring, key)
}

// commit stores the grant of the client to itself, or extends it. Introspection
// uses this grant to recognize a token of the app client as a token of the
// client.
func (c clientCredentials) commit(ctx context.Context, key, appID string) (*broker.Grant, error) {
	now := c.Now()
	origin := ownOrigin(appID)
	id := broker.GrantID(c.ring, origin, 0)
	g, err := c.Store.Grant(ctx, id)
	switch {
	case errors.Is(err, broker.ErrNotFound):
		g = &broker.Grant{
			ID: id, ClientID: c.reg.ClientID, Generation: c.reg.Generation,
			Scopes:    strings.Fields(c.reg.Metadata.Scope),
			AppClient: key, CognitoID: appID, CreatedAt: now, ExpiresAt: now.Add(ownGrantTime),
		}
		if err = c.Store.CreateGrant(ctx, g); err == nil {
			c.audit(ctx, telemetry.GrantCreated, g, slog.String("scope", strings.Join(g.Scopes, " ")))
		}
	case err == nil && g.EndedAt.IsZero() && g.ExpiresAt.Sub(now) < ownGrantRest:
		g.ExpiresAt = now.Add(ownGrantTime)
		err = c.Store.ReplaceGrant(ctx, g)
	}
	if errors.Is(err, broker.ErrExists) || errors.Is(err, broker.ErrConflict) {
		// Another request has created, extended or ended the grant.
		g, err = c.Store.Grant(ctx, id)
	}
	if err != nil {
		return nil, unavailable("the grant could not be stored", err)
	}
	if !g.EndedAt.IsZero() {
		return nil, broker.Refuse(broker.UnauthorizedClient, "what this client may do has been ended; ask the operator")
	}
	return g, nil
}

// ownOrigin returns a replacement for the claim origin_jti, which a token of
// client_credentials does not have.
func ownOrigin(appID string) string { return "client_credentials:" + appID }

// isClientCredentials reports whether g is the grant of a client to itself.
func isClientCredentials(g *broker.Grant) bool { return g.User.Sub == "" }

// clientCredentialsError returns the answer to err.
func clientCredentialsError(err error) error {
	if u, ok := errors.AsType[*broker.UpstreamError](err); ok {
		if u.Code == string(broker.InvalidScope) {
			return broker.Refuse(broker.InvalidScope, "Cognito does not give the client these scopes")
		}
		return broker.CognitoUnavailable(err)
	}
	if _, ok := errors.AsType[*dcr.Error](err); ok {
		return err // the client may see it
	}
	if errors.Is(err, broker.ErrNotFound) {
		return broker.Refuse(broker.UnauthorizedClient, "the client may not have tokens of its own any more")
	}
	return unavailable("the app client could not be read", err)
}

// intersect returns the elements of a that are also in b.
func intersect(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return !slices.Contains(b, s) })
}

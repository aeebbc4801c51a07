package token

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// IntrospectionRequest is an introspection request (RFC 7662 §2.1) of a
// protected resource, or of a client about a token of its own. It prints as
// "[redacted]".
type IntrospectionRequest struct {
	credential.Redacted
	// Client authenticates the protected resource or the client, which must have a
	// secret. REQUIRED.
	Client clients.Credentials
	// Token is an access token, or a refresh token of the client that asks; any other
	// text is not active. REQUIRED.
	Token string
}

// Introspection is the answer to an introspection request (RFC 7662 §2.2). If
// the token is not active, it has no other member than active.
type Introspection struct {
	// Active says whether the token can be used at the resource. REQUIRED.
	Active bool `json:"active"`
	// ClientID is the client that the token was issued to. OPTIONAL.
	ClientID string `json:"client_id,omitempty"`
	// Subject is Cognito's id of the user, or the client_id for a token without
	// a user. OPTIONAL.
	Subject string `json:"sub,omitempty"`
	// Username is the user's name in the pool. OPTIONAL, absent for a token
	// without a user.
	Username string `json:"username,omitempty"`
	// Scope has those scopes of the token, separated by spaces, that the policy
	// allows and the resource has. A client gets those of all resources. OPTIONAL.
	Scope string `json:"scope,omitempty"`
	// Audience is the URL of the protected resource, if a user allowed the token for it
	// or Cognito bound the token to it. OPTIONAL.
	Audience string `json:"aud,omitempty"`
	// TokenType is "Bearer". OPTIONAL, absent for a refresh token.
	TokenType string `json:"token_type,omitempty"`
	// IssuedAt is in seconds since 1970. OPTIONAL.
	IssuedAt int64 `json:"iat,omitzero"`
	// ExpiresAt is in seconds since 1970. OPTIONAL.
	ExpiresAt int64 `json:"exp,omitzero"`
}

// Introspect answers an introspection request. A token is active if it is a valid
// access token of Cognito, is for the resource or of the client that sent the
// request, and neither its grant nor its registration has ended. The answer has the
// scopes of the token that the policy still allows; a token without any is not
// active. The answer does not say why a token is not active (RFC 7662 §2.2).
func (i *Issuer) Introspect(ctx context.Context, r IntrospectionRequest) (Introspection, error) {
	var inactive Introspection
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	ring, err := i.keys(ctx)
	if err != nil {
		return inactive, err
	}
	// RFC 7662 §2.1: the endpoint must require authorization, so that it cannot
	// be used to try out tokens.
	by, err := i.asker(ctx, r.Client)
	if err != nil {
		return inactive, err
	}
	if r.Token == "" {
		return inactive, broker.Refuse(dcr.InvalidRequest, "token is required")
	}
	if by.client != nil && strings.HasPrefix(r.Token, credential.RefreshTokenPrefix) {
		return i.refreshToken(ctx, ring, by.client, credential.Presented(r.Token))
	}
	claims, err := i.AccessTokens.Verify(ctx, r.Token)
	if errors.Is(err, ErrInvalidAccessToken) {
		return inactive, nil
	}
	if err != nil {
		return inactive, unavailable("the token could not be verified", err)
	}
	return i.introspection(ctx, ring, by, claims)
}

// An asker sent an introspection request.
type asker struct {
	// resource is the protected resource that asks. It is the zero Resource if a
	// client asks.
	resource broker.Resource
	// client is the client that asks about a token of its own, or nil.
	client *broker.Registration
}

// asker authenticates who sent an introspection request: a protected resource of
// the configuration in force, a client with a secret, or a protected resource of the
// newest configuration.
func (i *Issuer) asker(ctx context.Context, sent clients.Credentials) (asker, error) {
	description := "authentication of the protected resource or client failed"
	if broker.NamesMetadataDocument(sent.ID) {
		description = broker.NoMetadataDocuments
	}
	refusal := broker.Refuse(broker.InvalidClient, description)
	conf, err := i.Configuration(ctx)
	if err != nil {
		return asker{}, err
	}
	if !hasIntrospectionClient(conf, sent.ID) {
		reg, err := i.Clients.Authenticate(ctx, sent)
		switch e, ok := errors.AsType[*dcr.Error](err); {
		case err == nil && reg.Metadata.TokenEndpointAuthMethod != dcr.AuthNone:
			return asker{client: reg}, nil
		case err == nil: // anyone can send the id of a client without a secret
			return asker{}, refusal
		case !ok || e.Code != broker.InvalidClient:
			return asker{}, err
		}
		if conf, err = i.Configuration(broker.Newest(ctx)); err != nil {
			return asker{}, err
		}
	}
	r, ok := resourceWith(conf, sent)
	if !ok {
		return asker{}, refusal
	}
	return asker{resource: r}, nil
}

func hasIntrospectionClient(conf *configuration.Configuration, id string) bool {
	return slices.ContainsFunc(conf.IntrospectionClients, func(c configuration.IntrospectionClient) bool { return c.ID == id })
}

// resourceWith returns the protected resource of conf with these credentials.
func resourceWith(conf *configuration.Configuration, sent clients.Credentials) (broker.Resource, bool) {
	n := slices.IndexFunc(conf.IntrospectionClients, func(c configuration.IntrospectionClient) bool { return c.ID == sent.ID })
	var known configuration.IntrospectionClient
	if n >= 0 {
		known = conf.IntrospectionClients[n]
	}
	// The hash of an unknown id is zero, which matches no secret. The comparison
	// takes the same time.
	hash, _ := credential.ParseHash(known.SecretSHA256)
	matches := hash.Matches(credential.Presented(sent.Secret))
	// An empty secret authenticates nobody, even if an operator has stored its
	// hash.
	if n < 0 || sent.Secret == "" || !matches {
		return broker.Resource{}, false
	}
	return resourceOf(conf, known.Resource)
}

// introspection returns what the asker may learn about a valid token with these
// claims.
func (i *Issuer) introspection(ctx context.Context, ring *seal.Ring, by asker, c Claims) (Introspection, error) {
	var inactive Introspection
	scopes := c.Scopes
	if by.client == nil {
		scopes = intersect(scopes, by.resource.Scopes)
	}
	if len(scopes) == 0 {
		return inactive, nil
	}
	g, err := i.grantOf(ctx, ring, c)
	if errors.Is(err, broker.ErrNotFound) {
		return inactive, nil
	}
	if err != nil {
		return inactive, unavailable("the grant could not be read", err)
	}
	reg, err := i.registrationOf(ctx, g)
	if errors.Is(err, broker.ErrNotFound) {
		return inactive, nil
	}
	if err != nil {
		return inactive, unavailable("the registration could not be read", err)
	}
	audience := cmp.Or(g.Resource, strings.Join(c.Audience, " ")) // Cognito binds a token to one resource
	if by.client != nil && by.client.ClientID != g.ClientID {
		return inactive, nil
	}
	if by.client == nil {
		var ok bool
		if audience, ok, err = i.audience(ctx, by.resource, g, c); err != nil || !ok {
			return inactive, err
		}
	}
	if scopes, err = i.standing(ctx, reg, g, c, scopes); err != nil || len(scopes) == 0 {
		return inactive, err
	}
	a := Introspection{
		Active: true, ClientID: g.ClientID, Subject: c.Sub, Username: c.Username, Scope: broker.PublicScopes(scopes), Audience: audience,
		TokenType: "Bearer", IssuedAt: c.IssuedAt.Unix(), ExpiresAt: c.ExpiresAt.Unix(),
	}
	if isClientCredentials(g) {
		// Cognito's sub is the id of the app client, which only the broker knows.
		a.Subject = g.ClientID
	}
	return a, nil
}

// audience reports whether a token of g with these claims is for r, and returns r's
// URL if the token or the grant names it. Without resource binding a token has no
// aud. Then the resource that the user allowed counts, or the one that a machine
// requested the token for. A token that was requested for none is for each resource
// that has its scopes.
func (i *Issuer) audience(ctx context.Context, r broker.Resource, g *broker.Grant, c Claims) (url string, ok bool, err error) {
	bound := slices.ContainsFunc(c.Audience, func(aud string) bool { return broker.SameResource(aud, r.URL) })
	if len(c.Audience) > 0 && !bound {
		return "", false, nil
	}
	requested := g.Resource
	if isClientCredentials(g) {
		if c.ID == "" { // the broker cannot know what it was requested for
			return "", false, nil
		}
		t, err := i.Store.MachineToken(ctx, c.ID)
		if err != nil && !errors.Is(err, broker.ErrNotFound) {
			return "", false, unavailable("the resource of the token could not be read", err)
		}
		if err == nil {
			requested = t.Resource
		}
	}
	if requested != "" && !broker.SameResource(requested, r.URL) {
		return "", false, nil
	}
	if bound || g.Resource != "" {
		url = r.URL
	}
	return url, true, nil
}

// registrationOf returns the registration that g was given to, or
// broker.ErrNotFound if it or g has ended.
func (i *Issuer) registrationOf(ctx context.Context, g *broker.Grant) (*broker.Registration, error) {
	if !g.EndedAt.IsZero() {
		return nil, broker.ErrNotFound
	}
	reg, err := i.Clients.Client(ctx, g.ClientID)
	if err == nil && reg.Generation != g.Generation {
		return nil, broker.ErrNotFound
	}
	return reg, err
}

// standing returns those of scopes that a token with these claims is good for by
// the policy. If the policy in force withholds something, standing judges by the
// newest one. It ends nothing.
func (i *Issuer) standing(ctx context.Context, reg *broker.Registration, g *broker.Grant, c Claims, scopes []string) ([]string, error) {
	var good []string
	for _, ctx := range []context.Context{ctx, broker.Newest(ctx)} {
		conf, err := i.Configuration(ctx)
		if err != nil {
			return nil, err
		}
		if good = goodFor(profileOf(conf, reg), g, c, scopes); len(good) == len(scopes) {
			return good, nil
		}
	}
	return good, nil
}

// goodFor returns those of scopes that a token with these claims is good for under
// a profile, which may be nil. The user's groups are those of the token.
func goodFor(p *policy.Profile, g *broker.Grant, c Claims, scopes []string) []string {
	switch {
	case p == nil, isClientCredentials(g) && !p.AllowsGrantType(dcr.GrantClientCredentials):
		return nil
	case !isClientCredentials(g) && !admits(p, broker.User{Groups: c.Groups, IdentityProviders: g.User.IdentityProviders}):
		return nil
	}
	return left(p, scopes)
}

// refreshToken returns what a client may learn about a refresh token: it is active if
// the client can use it now, unless Cognito refuses or the user is no longer
// admitted, which only a refresh shows.
func (i *Issuer) refreshToken(ctx context.Context, ring *seal.Ring, client *broker.Registration, tok credential.Token) (Introspection, error) {
	var inactive Introspection
	id, err := credential.GrantID(tok)
	if err != nil {
		return inactive, nil
	}
	g, err := i.Store.Grant(ctx, id)
	if errors.Is(err, broker.ErrNotFound) {
		return inactive, nil
	}
	if err != nil {
		return inactive, unavailable("the grant could not be read", err)
	}
	v := g.Verdict(tok, ring, i.Now())
	if v != broker.VerdictRotate && v != broker.VerdictSibling || g.ClientID != client.ClientID || g.Generation != client.Generation || !MayRefresh(client) {
		return inactive, nil
	}
	for _, ctx := range []context.Context{ctx, broker.Newest(ctx)} {
		conf, err := i.Configuration(ctx)
		if err != nil {
			return inactive, err
		}
		p := profileOf(conf, client)
		if p != nil && p.AllowsGrantType(dcr.GrantRefreshToken) && len(p.Withholds(g.Scopes)) == 0 {
			return Introspection{
				Active: true, ClientID: g.ClientID, Subject: g.User.Sub, Username: g.User.Username, Scope: broker.PublicScopes(g.Scopes),
				Audience: g.Resource, ExpiresAt: g.ExpiresAt.Unix(),
			}, nil
		}
	}
	return inactive, nil
}

package token

import (
	"context"
	"errors"
	"slices"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// IntrospectionRequest is an introspection request (RFC 7662 §2.1) of a
// protected resource. It prints as "[redacted]".
type IntrospectionRequest struct {
	credential.Redacted
	// Client authenticates the protected resource. REQUIRED.
	Client clients.Credentials
	// Token is an access token; any other text is not active. REQUIRED.
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
	// Scope has those scopes of the token, separated by spaces, that the
	// resource has. OPTIONAL.
	Scope string `json:"scope,omitempty"`
	// Audience is the URL of the resource. OPTIONAL.
	Audience string `json:"aud,omitempty"`
	// TokenType is always "Bearer". OPTIONAL.
	TokenType string `json:"token_type,omitempty"`
	// IssuedAt is in seconds since 1970. OPTIONAL.
	IssuedAt int64 `json:"iat,omitzero"`
	// ExpiresAt is in seconds since 1970. OPTIONAL.
	ExpiresAt int64 `json:"exp,omitzero"`
}

// Introspect answers an introspection request. A token is active if it is a
// valid access token of Cognito, is for the resource that sent the request, and
// neither its grant nor its registration has ended. Its scopes are those that the
// policy still allows; a token that it allows nothing is not active. The answer does
// not say why a token is not active (RFC 7662 §2.2).
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
	resource, ok, err := i.authenticateResource(ctx, r.Client)
	if err != nil {
		return inactive, err
	}
	if !ok {
		return inactive, broker.Refuse(broker.InvalidClient, "authentication of the protected resource failed")
	}
	if r.Token == "" {
		return inactive, broker.Refuse(dcr.InvalidRequest, "token is required")
	}
	claims, err := i.AccessTokens.Verify(ctx, r.Token)
	if errors.Is(err, ErrInvalidAccessToken) {
		return inactive, nil
	}
	if err != nil {
		return inactive, unavailable("the token could not be verified", err)
	}
	return i.introspection(ctx, ring, resource, claims)
}

// authenticateResource returns the protected resource with these credentials. If
// the configuration in force lacks the client, it looks in the newest one.
func (i *Issuer) authenticateResource(ctx context.Context, sent clients.Credentials) (r broker.Resource, ok bool, err error) {
	conf, err := i.Configuration(ctx)
	if err == nil && !slices.ContainsFunc(conf.IntrospectionClients, func(c configuration.IntrospectionClient) bool { return c.ID == sent.ID }) {
		conf, err = i.Configuration(broker.Newest(ctx))
	}
	if err != nil {
		return broker.Resource{}, false, err
	}
	r, ok = resourceWith(conf, sent)
	return r, ok, nil
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

// introspection returns what r may learn about a valid token with these claims.
func (i *Issuer) introspection(ctx context.Context, ring *seal.Ring, r broker.Resource, c Claims) (Introspection, error) {
	var inactive Introspection
	scopes := intersect(c.Scopes, r.Scopes)
	if len(scopes) == 0 || !audienceFits(c.Audience, r) {
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
	if g.Resource != "" && !broker.SameResource(g.Resource, r.URL) {
		return inactive, nil
	}
	if scopes, err = i.standing(ctx, reg, g, c, scopes); err != nil || len(scopes) == 0 {
		return inactive, err
	}
	a := Introspection{
		Active: true, ClientID: g.ClientID, Subject: c.Sub, Username: c.Username, Scope: broker.PublicScopes(scopes), Audience: r.URL,
		TokenType: "Bearer", IssuedAt: c.IssuedAt.Unix(), ExpiresAt: c.ExpiresAt.Unix(),
	}
	if isClientCredentials(g) {
		// Cognito's sub is the id of the app client, which only the broker knows.
		a.Subject = g.ClientID
	}
	return a, nil
}

// audienceFits reports whether a token with this audience may be for r. Without
// resource binding a token has no audience, and only its scopes count.
func audienceFits(audience []string, r broker.Resource) bool {
	return len(audience) == 0 || slices.ContainsFunc(audience, func(aud string) bool { return broker.SameResource(aud, r.URL) })
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

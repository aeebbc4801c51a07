package registration

import (
	"context"
	"errors"
	"fmt"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// BadToken is the error for a token that does not manage the client in the
// request. It is the same whether or not the client exists (RFC 7592 §2).
func BadToken() error {
	return dcr.Errorf(dcr.InvalidToken, "the registration access token is not valid for this client")
}

// disabled is the error for a client that may not change or delete its
// registration because an operator has disabled it: 403, as RFC 7592 §2.2 and
// §2.3 say.
func disabled() error {
	return dcr.Errorf(dcr.InsufficientScope, "the operator of this server has switched this client off, so it cannot be changed or deleted")
}

// Read returns the registration of the client (RFC 7592 §2.1).
func (g *Registrar) Read(ctx context.Context, clientID string, tok credential.Token) (*dcr.ClientInformation, error) {
	r, err := g.managed(ctx, clientID, tok)
	if err != nil {
		return nil, err
	}
	return g.information(r, tok), nil
}

// Update replaces the metadata of the client (RFC 7592 §2.2) under the current
// policy. The response has a new registration access token. The old one stays
// valid until the first use of the new one, even in a request that is refused. A
// disabled client cannot be changed: an operator who enables it has seen its
// metadata.
func (g *Registrar) Update(ctx context.Context, clientID string, tok credential.Token, req *dcr.Request) (*dcr.ClientInformation, error) {
	r, err := g.managed(ctx, clientID, tok)
	if err != nil {
		return nil, err
	}
	if r.State == broker.RegistrationDisabled {
		return nil, disabled()
	}
	c, err := g.change(ctx, r, req)
	if err != nil {
		return nil, err
	}
	next := credential.NewRegistrationAccessToken()
	c.After.AccessTokens = broker.AccessTokens{Current: tok.Hash(), Next: next.Hash()}
	if err := g.lifecycle.Update(ctx, c); err != nil {
		return nil, managing(ctx, err)
	}
	return g.information(c.After, next), nil
}

// Delete removes the client (RFC 7592 §2.3). After an error with the code
// dcr.Unavailable or dcr.TooManyRequests the client can repeat it with the same
// token. A client of the other mode can be deleted too. A disabled client cannot:
// its record belongs to the operator, and without it the client could register
// again. Its error is that of Update.
func (g *Registrar) Delete(ctx context.Context, clientID string, tok credential.Token) error {
	r, err := g.authenticate(ctx, clientID, tok)
	if err != nil {
		return err
	}
	switch r.State {
	case broker.RegistrationDeleted, broker.RegistrationRemoved:
		return BadToken()
	case broker.RegistrationDisabled:
		return disabled()
	}
	if !g.lifecycle.Manages(r) {
		return managing(ctx, g.former.Delete(ctx, r))
	}
	return managing(ctx, g.lifecycle.Delete(ctx, r))
}

// managed returns the registration that the bearer of tok reads or updates. It
// ends the old token at the first use of the new one.
func (g *Registrar) managed(ctx context.Context, clientID string, tok credential.Token) (*broker.Registration, error) {
	r, err := g.authenticate(ctx, clientID, tok)
	if err != nil {
		return nil, err
	}
	// A client of the other mode cannot be used, so it has to register again.
	if r.State == broker.RegistrationDeleting || r.State == broker.RegistrationDeleted || r.State == broker.RegistrationRemoved || !g.lifecycle.Manages(r) {
		return nil, BadToken()
	}
	if !r.AccessTokens.Next.Matches(tok) {
		return r, nil
	}
	r.AccessTokens = broker.AccessTokens{Current: tok.Hash()}
	err = broker.ReplaceRegistration(ctx, g.store, r)
	if errors.Is(err, broker.ErrNotFound) {
		return nil, BadToken()
	}
	if err != nil {
		return nil, managing(ctx, Unavailable(err))
	}
	return r, nil
}

// authenticate returns the registration of the client if tok is one of its
// registration access tokens.
func (g *Registrar) authenticate(ctx context.Context, clientID string, tok credential.Token) (*broker.Registration, error) {
	if tok.IsZero() {
		return nil, dcr.Errorf(dcr.TokenRequired, "this needs the registration access token of the client")
	}
	r, err := clients.Registration(ctx, g.store, clientID)
	if errors.Is(err, broker.ErrNotFound) {
		r = &broker.Registration{} // compared like any other, and matches nothing
	} else if err != nil {
		return nil, Unavailable(err)
	}
	current := r.AccessTokens.Current.Matches(tok)
	next := r.AccessTokens.Next.Matches(tok)
	if !current && !next {
		return nil, BadToken()
	}
	broker.SetClientAttrs(ctx, r)
	return r, nil
}

// change returns the change of r that req requests and the policy allows.
func (g *Registrar) change(ctx context.Context, r *broker.Registration, req *dcr.Request) (*Change, error) {
	if req.ClientID != r.ClientID {
		return nil, dcr.Errorf(dcr.InvalidClientMetadata, "client_id must be the one being updated (RFC 7592 section 2.2)")
	}
	if len(req.Forbidden) > 0 {
		return nil, dcr.Errorf(dcr.InvalidClientMetadata, "%s must not be in an update (RFC 7592 section 2.2)", req.Forbidden[0])
	}
	m, invalid := dcr.Validate(req.Metadata)
	if invalid != nil && req.SoftwareStatement == "" {
		return nil, invalid
	}
	pol, err := g.policy(ctx)
	if err != nil {
		return nil, Unavailable(fmt.Errorf("policy: %w", err))
	}
	pol, profile, err := policy.Find(ctx, g.policy, pol, r.Profile)
	if err != nil {
		return nil, Unavailable(fmt.Errorf("policy: %w", err))
	}
	if profile == nil {
		return nil, dcr.Errorf(dcr.InsufficientScope, "the profile of this registration is not in the policy any more")
	}
	m, _, err = g.requestedMetadata(ctx, request{Request: req, policy: pol, profile: profile, valid: m, invalid: invalid})
	if err != nil {
		return nil, err
	}
	if m, err = profile.Apply(m); err != nil {
		return nil, err
	}
	if m.Public() != r.Metadata.Public() {
		return nil, dcr.Errorf(dcr.InvalidClientMetadata, "token_endpoint_auth_method: a client cannot change between none and a method with a secret; register again")
	}
	c := &Change{Before: r, After: r.Clone(), Profile: profile, Secret: credential.Presented(req.ClientSecret), store: g.store, trail: g.trail}
	c.After.Metadata = m.ClientMetadata
	return c, nil
}

package world

import (
	"context"
	"errors"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/authorization"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/grants"
	"github.com/dcr-broker/dcr-broker/pkg/broker/token"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// Verifier is the PKCE code verifier of every request of a client.
const Verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

// FlowConfig returns what a Flow needs: the parts of w, managed login, and no
// pauses.
func (w *Brokered) FlowConfig(cognito authorization.Cognito) authorization.Config {
	return authorization.Config{
		Issuer: issuer, Clients: clients.New(broker.ModeBrokered, w.Store, w.Now), Store: w.Store, Provisioner: w.Provisioner,
		Configuration: w.Configuration, Keys: w.Ring, Cognito: cognito, LoginVersion: 2, Now: w.Now,
		Pause: func(context.Context, time.Duration) error { return nil }, Log: w.logger(),
	}
}

// OAuth has Cognito's endpoints for an Issuer.
type OAuth interface {
	token.Cognito
	grants.Cognito
}

// IssuerConfig returns what an Issuer needs except AccessTokens: the parts of
// w, and a store for the grants.
func (w *Brokered) IssuerConfig(store broker.GrantStore, cognito OAuth) token.Config {
	w.T.Helper()
	return token.Config{
		Store: store, Clients: clients.New(broker.ModeBrokered, w.Store, w.Now), AppClients: grants.NewAppClients(w.Store, w.Now),
		Ender: w.Ender(store, cognito), Cognito: cognito, Provisioner: w.Provisioner, Configuration: w.Configuration, Keys: w.Ring, Now: w.Now, Log: w.logger(),
	}
}

// Configuration returns the configuration in force.
func (w *Brokered) Configuration(context.Context) (*configuration.Configuration, error) {
	if w.ConfErr != nil {
		return nil, broker.NotReady(w.ConfErr)
	}
	c := w.Conf
	c.Policy = w.policy
	return &c, nil
}

// Ender returns an Ender for the grants in this store.
func (w *Brokered) Ender(store grants.Store, cognito grants.Cognito) *grants.Ender {
	w.T.Helper()
	e, err := grants.New(grants.Config{Store: store, AppClients: grants.NewAppClients(w.Store, w.Now), Cognito: cognito, Keys: w.Ring, Now: w.Now})
	if err != nil {
		w.T.Fatal(err)
	}
	return e
}

// AddClient stores an active registration, after change. It has a new client_id,
// the profile open and no secret.
func (w *Brokered) AddClient(m dcr.ClientMetadata, change ...func(*broker.Registration)) *broker.Registration {
	w.T.Helper()
	r := &broker.Registration{
		ClientID: "dcr_" + credential.NewID(), Generation: credential.NewID(), Mode: broker.ModeBrokered, State: broker.RegistrationActive,
		Profile: "open", Metadata: m, IssuedAt: w.Clock.Second(),
	}
	for _, f := range change {
		f(r)
	}
	if err := w.Inner.CreateRegistration(w.T.Context(), r); err != nil {
		w.T.Fatal(err)
	}
	return r
}

// AddAppClient stores the record of the app client of Cognito with these
// credentials. It replaces a former record with this key.
func (w *Brokered) AddAppClient(key string, kind broker.AppClientKind, app broker.AppCredentials, scopes ...string) *broker.AppClient {
	w.T.Helper()
	a := &broker.AppClient{
		Key: key, Kind: kind, State: broker.AppClientReady, Marker: credential.NewID(), CognitoID: app.ID, Scopes: scopes, CreatedAt: w.Now(),
	}
	a.Secret = w.Keys.Seal(broker.SecretPurpose, a.SecretOwner(), app.Secret)
	if old, err := w.Inner.AppClient(w.T.Context(), key); err == nil {
		if err := w.Inner.DeleteAppClient(w.T.Context(), key, old.Version); err != nil {
			w.T.Fatal(err)
		}
	}
	if err := w.Inner.CreateAppClient(w.T.Context(), a); err != nil {
		w.T.Fatal(err)
	}
	return a
}

// Credentials returns the id and the secret of an app client.
func (w *Brokered) Credentials(key string) broker.AppCredentials {
	w.T.Helper()
	a := w.AppClient(key)
	secret, err := w.Keys.Open(broker.SecretPurpose, a.SecretOwner(), a.Secret)
	if err != nil {
		w.T.Fatal(err)
	}
	return broker.AppCredentials{ID: a.CognitoID, Secret: secret}
}

// AddGrant stores the grant of the user with these tokens of the app client
// profile/open, after change, and remembers the consent. It returns the grant and
// its code, which was sent to redirectURI.
func (w *Brokered) AddGrant(r *broker.Registration, t broker.Tokens, redirectURI string, change ...func(*broker.Grant)) (*broker.Grant, credential.Token) {
	w.T.Helper()
	id := credential.NewID()
	if t.OriginJTI != "" {
		id = broker.GrantID(w.Keys, t.OriginJTI, 0)
	}
	code, now := credential.DerivedAuthorizationCode("secret", id), w.Now()
	g := &broker.Grant{
		ID: id, ClientID: r.ClientID, Generation: r.Generation, User: broker.User{Sub: t.Sub, Username: t.User.Username},
		Scopes: t.Scopes, AppClient: broker.SharedAppClientKey("open"), CognitoID: "app",
		TokensID: credential.NewID(), CreatedAt: now, ExpiresAt: now.Add(30 * Day),
	}
	for _, f := range change {
		f(g)
	}
	g.ConsentKey = broker.ConsentKey(w.Keys, g.User.Sub, g.ClientID, g.Generation, redirectURI, g.Resource)
	consent := &broker.Consent{
		Key: g.ConsentKey, Sub: t.Sub, ClientID: r.ClientID, Scopes: g.Scopes, CreatedAt: now, ExpiresAt: now.Add(30 * Day),
	}
	err := errors.Join(w.Inner.CreateGrant(w.T.Context(), g), w.Inner.PutConsent(w.T.Context(), consent))
	if g.TokensID != "" {
		err = errors.Join(err, w.Inner.CreateTokens(w.T.Context(), &broker.SealedTokens{
			ID: g.TokensID, Sealed: w.Keys.Seal(broker.SealGrant, g.ID, t.Encode()), ExpiresAt: g.ExpiresAt,
			Code: broker.AuthorizationCode{
				Hash: code.Hash(), ExpiresAt: now.Add(broker.CodeLifetime), RedirectURI: redirectURI, Challenge: broker.PKCEChallenge(Verifier),
			},
		}))
	}
	if err != nil {
		w.T.Fatal(err)
	}
	return g, code
}

// Tokens returns Cognito's tokens of a grant, or the zero Tokens if none are
// stored.
func (w *Brokered) Tokens(g *broker.Grant) broker.Tokens {
	w.T.Helper()
	stored, err := w.Inner.Tokens(w.T.Context(), g.TokensID)
	if errors.Is(err, broker.ErrNotFound) {
		return broker.Tokens{}
	}
	var t broker.Tokens
	if err == nil {
		t, err = grants.Open(w.Keys, g.ID, stored)
	}
	if err != nil {
		w.T.Fatalf("tokens of grant %s: %v", g.ID, err)
	}
	return t
}

// AllGrants returns all grants that are stored.
func (w *Brokered) AllGrants() []*broker.Grant {
	w.T.Helper()
	var list []*broker.Grant
	for g, err := range w.Inner.ListGrants(w.T.Context()) {
		if err != nil {
			w.T.Fatal(err)
		}
		list = append(list, g)
	}
	return list
}

// Grant returns a grant that is stored.
func (w *Brokered) Grant(id string) *broker.Grant {
	w.T.Helper()
	g, err := w.Inner.Grant(w.T.Context(), id)
	if err != nil {
		w.T.Fatalf("grant %s: %v", id, err)
	}
	return g
}

package authorization

import (
	"context"
	"errors"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// Started is a new transaction, for the user to sign in at Cognito. It prints as
// "[redacted]".
type Started struct {
	credential.Redacted
	// Secret is for the browser, beside those of its other transactions.
	Secret Secret
	// SignInURL is Cognito's authorize endpoint with the request.
	SignInURL string
}

// Begin checks an authorization request (RFC 6749 §4.1.1) and stores a
// transaction for it.
func (f *Flow) Begin(ctx context.Context, r Request) (Started, error) {
	v, err := f.visit(ctx, newSecret(f.config.Now()))
	if err != nil {
		return Started{}, inLanguage(err, r.language())
	}
	t, err := v.begin(ctx, r)
	if err != nil {
		return Started{}, inLanguage(err, r.language())
	}
	return Started{Secret: v.secret, SignInURL: v.signInURL(t, v.secret)}, nil
}

func (v *visit) begin(ctx context.Context, r Request) (*broker.Transaction, error) {
	f := v.flow
	if err := v.renewFor(ctx, r.Resources...); err != nil {
		return nil, err
	}
	c, err := v.client(ctx, r)
	if err != nil {
		return nil, err
	}
	req, refusal := validate(r, limits{
		scopes:    scopeRules{allowed: registeredScopes(c), defaults: c.profile.DefaultScopes(), known: v.conf.Grants},
		resources: v.conf.Resources,
	})
	if refusal != nil {
		return nil, f.deny(c, *refusal)
	}
	// RFC 6749 §4.1.2.1: unauthorized_client is for a client that may not request
	// a code in this way.
	if !dcr.UseRedirects(c.reg.Metadata.GrantTypes) {
		return nil, f.deny(c, broker.Refusal{Code: broker.UnauthorizedClient, Description: "the client is not registered for authorization_code"})
	}
	if !c.profile.AllowsGrantType(dcr.GrantAuthorizationCode) {
		return nil, f.deny(c, broker.Refusal{Code: broker.UnauthorizedClient, Description: "the operator has withdrawn authorization_code from the client's profile"})
	}
	if refusal := f.refuseSilent(req, c); refusal != nil {
		return nil, f.deny(c, *refusal)
	}
	app, err := v.appClient(ctx, policy.AppClientKey(c.reg, c.profile))
	if err != nil {
		return nil, err
	}
	// The profile may have more scopes than it had when its app client was made.
	if req.scopes, refusal = req.rules.within(app.Scopes).choose(r.Scope); refusal != nil {
		return nil, f.deny(c, *refusal)
	}
	appSecret, err := v.ring.Open(broker.SecretPurpose, app.SecretOwner(), app.Secret)
	if err != nil {
		return nil, err
	}
	return v.create(ctx, appSecret, &broker.Transaction{
		ClientID:    c.reg.ClientID,
		Generation:  c.reg.Generation,
		RedirectURI: c.redirect.Raw,
		State:       req.state,
		Nonce:       req.nonce,
		Scopes:      req.scopes,
		Resource:    req.resource,
		Challenge:   req.challenge,
		LoginHint:   req.loginHint,
		Lang:        req.lang,
		Prompt:      strings.Join(req.prompts, " "),
		AppClient:   app.Key,
		CognitoID:   app.CognitoID,

		IdentityProvider: c.identityProvider(),
	})
}

// registeredScopes are the scopes of the registration that today's policy still
// allows.
func registeredScopes(c client) []string {
	return broker.CommonScopes(strings.Fields(c.reg.Metadata.Scope), c.profile.Scopes())
}

// refuseSilent returns why a request with prompt=none cannot succeed for any
// user, or nil. With none the server must not show a page, and returns an error
// if it would need one (OpenID Connect Core §3.1.2.1).
func (f *Flow) refuseSilent(req validRequest, c client) *broker.Refusal {
	switch {
	case !req.prompt("none"):
		return nil
	case f.config.LoginVersion < 2:
		return broker.Refuse(LoginRequired, "prompt=none is not supported here: the user must sign in")
	case !c.remembers():
		return broker.Refuse(ConsentRequired, "the user must consent each time")
	}
	return nil
}

// sealSignIn is the purpose for which Transaction.Tokens is sealed before the
// callback.
const sealSignIn = "sign_in"

// create stores t, which has the client's request and the app client, as the
// transaction of v. appSecret is the secret of the app client.
func (v *visit) create(ctx context.Context, appSecret string, t *broker.Transaction) (*broker.Transaction, error) {
	t.Key, t.Step = v.secret.key(), broker.StepStarted
	t.Tokens = v.ring.Seal(sealSignIn, t.Key.String(), appSecret)
	t.ExpiresAt = broker.Seconds(v.flow.config.Now().Add(broker.TransactionLifetime))
	if err := v.flow.config.Store.CreateTransaction(ctx, t); err != nil {
		return nil, unavailable("the request could not be stored", err)
	}
	return t, nil
}

// appClient returns the app client with this key. If there is none, the
// provisioner makes it.
func (v *visit) appClient(ctx context.Context, key string) (*broker.AppClient, error) {
	f := v.flow
	a, err := f.config.Store.AppClient(ctx, key)
	if err == nil && a.Usable(f.config.LoginVersion == 2) {
		v.reseal(ctx, a)
		return a, nil
	}
	if err != nil && !errors.Is(err, broker.ErrNotFound) {
		return nil, unavailable("the app client could not be read", err)
	}
	provision, cancel := context.WithTimeout(ctx, provisionTime)
	defer cancel()
	if err := f.config.Provisioner.Provision(provision, key); err != nil {
		return nil, provisionProblem(err)
	}
	a, err = f.config.Store.AppClient(ctx, key)
	if err != nil {
		return nil, unavailable("the app client could not be read", err)
	}
	if !a.Usable(f.config.LoginVersion == 2) {
		return nil, provisionProblem(errors.New("the app client is not usable after it was made"))
	}
	return a, nil
}

// reseal lets the provisioner seal the secret of a with the current key, if a
// former key sealed it. Only the provisioner may write the secret. A failure is
// logged and does not fail the request: the former key still opens the secret,
// and the next request tries again.
func (v *visit) reseal(ctx context.Context, a *broker.AppClient) {
	if v.ring.Current(a.Secret) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, cleanupTime)
	defer cancel()
	if err := v.flow.config.Provisioner.Provision(ctx, a.Key); err != nil {
		v.flow.warn(ctx, "app client secret not sealed again, the former key is still needed", "app_client", a.CognitoID, "error", err)
	}
}

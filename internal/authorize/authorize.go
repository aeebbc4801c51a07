package authorize

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/pages"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// authorize is GET /authorize (RFC 6749 §3.1, §4.1.1): it checks everything,
// writes a transaction, ties it to the browser in place of the one before, and
// goes to Cognito.
func (f *Front) authorize(w http.ResponseWriter, r *http.Request) {
	q, wrong := parseQuery(r.URL.RawQuery)
	if wrong != "" {
		f.showProblem(w, r, "", &problem{kind: pages.BadRequest, detail: wrong})
		return
	}
	s := newSecret()
	t, err := f.begin(r.Context(), q, s)
	if err != nil {
		f.fail(w, r, hintedLanguage(q), err)
		return
	}
	f.cookies.set(w, s)
	see(w, f.signInURL(t, s))
}

// hintedLanguage is for pages about a request that was refused.
func hintedLanguage(q query) string {
	var req request
	if err := req.parseHints(q); err != nil {
		return ""
	}
	return req.lang
}

// begin makes the transaction of a request.
func (f *Front) begin(ctx context.Context, q query, s secret) (*broker.Transaction, error) {
	c, err := f.client(ctx, q)
	if err != nil {
		return nil, err
	}
	deny := func(e *oauthError) error { return &denial{to: c.to, oauthError: *e} }
	req, wrong := parseRequest(q, limits{
		registered: granted(c),
		defaults:   c.profile.DefaultScopes(),
		resources:  f.Resources,
	})
	if wrong != nil {
		return nil, deny(wrong)
	}
	if !slices.Contains(c.reg.Metadata.GrantTypes, dcr.GrantAuthorizationCode) {
		return nil, deny(&oauthError{"unauthorized_client", "the client is not registered for authorization_code"})
	}
	if e := f.cannotBeSilent(req, c); e != nil {
		return nil, deny(e)
	}
	app, err := f.appClient(ctx, policy.AppClientKey(c.reg, c.profile))
	if err != nil {
		return nil, err
	}
	// A profile may have grown since its app client was made.
	req.scopes = slices.DeleteFunc(req.scopes, func(scope string) bool { return !slices.Contains(app.Scopes, scope) })
	if len(req.scopes) == 0 {
		return nil, deny(&oauthError{"invalid_scope", "none of the scopes can be granted yet"})
	}
	return f.create(ctx, s, app, &broker.Transaction{
		ClientID:    c.reg.ClientID,
		Generation:  c.reg.Generation,
		RedirectURI: c.to.redirect.Raw,
		State:       req.state,
		Nonce:       req.nonce,
		Scopes:      req.scopes,
		Resource:    req.resource,
		Challenge:   req.challenge,
		LoginHint:   req.loginHint,
		Lang:        req.lang,
		Prompt:      strings.Join(req.prompts, " "),
	})
}

// granted are the scopes that the client may have: those that it is registered
// for, as far as today's policy still has them.
func granted(c client) []string {
	allowed := c.profile.Scopes()
	return slices.DeleteFunc(strings.Fields(c.reg.Metadata.Scope), func(s string) bool { return !slices.Contains(allowed, s) })
}

// create stores t, what the client asked for, as a new transaction under s that
// signs in through app.
func (f *Front) create(ctx context.Context, s secret, app *broker.AppClient, t *broker.Transaction) (*broker.Transaction, error) {
	appSecret, err := f.Keys.Open(broker.SecretPurpose, app.SecretOwner(), app.Secret)
	if err != nil {
		return nil, err
	}
	t.Key, t.Step = s.key(), broker.StepStarted
	t.AppClient, t.CognitoID = app.Key, app.CognitoID
	t.Tokens = f.Keys.Seal(purposeSignIn, t.Key.String(), appSecret)
	t.ExpiresAt = f.Now().UTC().Add(broker.TransactionLifetime).Truncate(time.Second)
	if err := f.Grants.CreateTransaction(ctx, t); err != nil {
		return nil, unavailable("the request could not be stored", err)
	}
	return t, nil
}

// What is sealed in a transaction, see grant.Transaction.
const (
	purposeSignIn      = "sign_in"
	purposeTransaction = "transaction"
	purposeGrant       = "grant"
)

// client is who asks: a registration that may be used, under a profile, and one
// of its redirect URIs. As long as they are not certain, errors are pages and
// never redirects (RFC 6749 §4.1.2.1).
type client struct {
	reg     *broker.Registration
	profile *policy.Profile
	to      recipient
}

func (f *Front) client(ctx context.Context, q query) (client, error) {
	for _, name := range []string{"client_id", "redirect_uri"} {
		if slices.Contains(q.repeated, name) {
			return client{}, &problem{kind: pages.BadRequest, detail: repeats(name)}
		}
	}
	if !q.has("client_id") {
		return client{}, &problem{kind: pages.BadRequest, detail: "client_id is required"}
	}
	reg, profile, err := f.registration(ctx, q.value("client_id"))
	if err != nil {
		return client{}, err
	}
	if !q.has("redirect_uri") {
		return client{}, &problem{kind: pages.BadRedirectURI, detail: "redirect_uri is required"}
	}
	u, ok := matchRedirectURI(q.value("redirect_uri"), reg.Metadata.RedirectURIs)
	if !ok {
		return client{}, &problem{kind: pages.BadRedirectURI, detail: "redirect_uri is none of those that the client registered: " + dcr.Quote(q.value("redirect_uri"))}
	}
	return client{reg, profile, recipient{u, q.value("state"), vouched(reg, profile, u)}}, nil
}

// registration returns the registration of a client of brokered mode, and its
// profile. For all that cannot be used there is one answer, but for a client that
// waits for approval: it need not register again.
func (f *Front) registration(ctx context.Context, id string) (*broker.Registration, *policy.Profile, error) {
	reg, err := f.Clients.Client(ctx, id)
	if errors.Is(err, broker.ErrPending) {
		return nil, nil, &problem{kind: pages.NotApproved, detail: "the client waits for the operator's approval"}
	}
	if errors.Is(err, broker.ErrNotFound) || err == nil && reg.Mode != broker.ModeBrokered {
		return nil, nil, &problem{kind: pages.UnknownClient, detail: "client_id is not registered, or not any more"}
	}
	if err != nil {
		return nil, nil, unavailable("the registration could not be read", err)
	}
	p, err := f.Policy(ctx)
	if err != nil {
		return nil, nil, unavailable("the policy could not be read", err)
	}
	profile, ok := p.Profile(reg.Profile)
	if !ok {
		return nil, nil, &problem{kind: pages.UnknownClient, detail: "the client's profile is no longer in the policy"}
	}
	return reg, profile, nil
}

// vouched reports whether people may be sent to the redirect URI without having
// been asked.
func vouched(reg *broker.Registration, profile *policy.Profile, u dcr.RedirectURI) bool {
	return reg.Vouched() || profile.Vouches(u)
}

// cannotBeSilent says why a request with prompt=none cannot succeed, whoever is
// signed in. Any program on the user's machine can pose as a client with a
// loopback or private-use redirect URI (RFC 8252 §8.6), so its users are always
// asked.
func (f *Front) cannotBeSilent(req request, c client) *oauthError {
	switch {
	case !req.prompt("none"):
		return nil
	case f.LoginVersion < 2:
		return &oauthError{"login_required", "signing in without being asked is not possible here"}
	case !remembers(c.profile, c.to.redirect):
		return &oauthError{"consent_required", "the user is asked each time"}
	}
	return nil
}

// remembers reports whether a consent for this redirect URI is remembered.
func remembers(p *policy.Profile, u dcr.RedirectURI) bool {
	return p.Consent() == policy.ConsentRemember && u.Kind == dcr.HTTPS
}

// reseal has the secret of a sealed by the present key, which takes a right that
// only the provisioner uses. The old key still opens it, so that a failure is for
// the next one to mend.
func (f *Front) reseal(ctx context.Context, a *broker.AppClient) {
	if f.Keys.Current(a.Secret) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, undoTime)
	defer cancel()
	_ = f.Provisioner.Provision(ctx, a.Key)
}

// appClient returns the app client with that key, which is made if need be.
func (f *Front) appClient(ctx context.Context, key string) (*broker.AppClient, error) {
	a, err := f.AppClients.AppClient(ctx, key)
	if err == nil && a.Usable(f.LoginVersion == 2) {
		f.reseal(ctx, a)
		return a, nil
	}
	if err != nil && !errors.Is(err, broker.ErrNotFound) {
		return nil, unavailable("the app client could not be read", err)
	}
	provision, cancel := context.WithTimeout(ctx, provisionTime)
	defer cancel()
	if err := f.Provisioner.Provision(provision, key); err != nil {
		return nil, provisionProblem(err)
	}
	a, err = f.AppClients.AppClient(ctx, key)
	if err != nil {
		return nil, unavailable("the app client could not be read", err)
	}
	if !a.Usable(f.LoginVersion == 2) {
		return nil, provisionProblem(errors.New("the app client is not usable after it was made"))
	}
	return a, nil
}

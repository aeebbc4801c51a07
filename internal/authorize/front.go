package authorize

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/cognitoauth"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/internal/pages"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
)

const (
	// requestTime is how long a request may take, all its waits included. With
	// what it may clean up afterwards it is over within 25 s: API Gateway ends
	// one after 30 s.
	requestTime = 18 * time.Second
	// provisionTime is how much of it may go into an app client.
	provisionTime = 14 * time.Second
	// undoTime is how long a request that failed may go on cleaning up.
	undoTime = 3 * time.Second
	// outcomeWait is how often and how long a decision that came second waits
	// for the first one to be carried out.
	outcomeTries = 8
	outcomeWait  = 250 * time.Millisecond
)

// Clients are the registered clients; *broker.Service and *broker.Clients have
// them.
type Clients interface {
	// Client returns the registration of a client that may be used now, or
	// broker.ErrNotFound if there is none. clientID may be anything at all.
	Client(ctx context.Context, clientID string) (*broker.Registration, error)
}

// AppClients are the records of app clients; broker.Store has them.
type AppClients interface {
	// AppClient returns the record with that key, or broker.ErrNotFound.
	AppClient(ctx context.Context, key string) (*broker.AppClient, error)
}

// Grants is the part of grant.Store that is used here, and promises the same.
type Grants interface {
	CreateTransaction(ctx context.Context, t *broker.Transaction) error
	Transaction(ctx context.Context, key credential.Hash) (*broker.Transaction, error)
	TakeStep(ctx context.Context, key credential.Hash, from, to broker.Step) (*broker.Transaction, error)
	ReplaceTransaction(ctx context.Context, t *broker.Transaction) error
	DeleteTransaction(ctx context.Context, key credential.Hash) error
	CreateGrant(ctx context.Context, g *broker.Grant) error
	Grant(ctx context.Context, id string) (*broker.Grant, error)
	PutConsent(ctx context.Context, c *broker.Consent) error
	Consent(ctx context.Context, key string) (*broker.Consent, error)
}

// Config is what a Front needs. All fields are required but for those that say
// otherwise.
type Config struct {
	// Issuer is the broker's origin.
	Issuer     string
	Clients    Clients
	AppClients AppClients
	Grants     Grants
	// Provisioner makes the app client of a registration that has none yet.
	Provisioner broker.Provisioner
	// Policy returns the policy in force. It is called at most once a request.
	Policy func(context.Context) (*policy.Policy, error)
	// Keys seal and open.
	Keys *seal.Ring
	// Ready sees to it that Keys has its keys, before each request but those for
	// assets. Optional.
	Ready   func(context.Context) error
	Cognito *cognitoauth.Client
	Pages   *pages.Pages
	// Resources are the protected resources; may be empty.
	Resources []broker.Resource
	// ScopeDescriptions say what scopes allow; may be empty.
	ScopeDescriptions map[string]string
	// ResourceBinding is whether Cognito is told the resource (RFC 8707).
	ResourceBinding bool
	// LoginVersion is the version of Cognito's sign-in pages: 1, the classic
	// ones, which know no prompt, or 2, managed login.
	LoginVersion int
	// RefreshLifetime is how long Cognito's refresh tokens live.
	RefreshLifetime time.Duration
	Now             func() time.Time
}

// Front is the authorization endpoint. It is safe for concurrent use.
type Front struct {
	Config
	cookies cookies
	// pause waits for d, or until ctx ends.
	pause func(ctx context.Context, d time.Duration)
}

// New returns a Front, or an error if a field of c is missing.
func New(c Config) (*Front, error) {
	if c.Issuer == "" || c.Clients == nil || c.AppClients == nil || c.Grants == nil || c.Provisioner == nil || c.Policy == nil ||
		c.Keys == nil || c.Cognito == nil || c.Pages == nil || c.RefreshLifetime <= 0 || c.Now == nil {
		return nil, errors.New("authorize: a required field of Config is missing")
	}
	if c.LoginVersion != 1 && c.LoginVersion != 2 {
		return nil, errors.New("authorize: LoginVersion must be 1 or 2")
	}
	return &Front{Config: c, cookies: newCookies(c.Issuer), pause: pause}, nil
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// CallbackPath is the one redirect URI of all our app clients, SignedOutPath
// their sign-out URL, both under the issuer.
const (
	CallbackPath  = "/callback"
	SignedOutPath = "/signed-out"

	consentPath = "/consent"
)

// Mount adds the routes of f to rt. All of them are pages.
func (f *Front) Mount(rt *httpapi.Router) {
	for _, route := range []struct {
		method, pattern string
		handler         http.HandlerFunc
	}{
		{http.MethodGet, "/authorize", f.authorize},
		{http.MethodPost, pages.DecisionPath, f.decide},
		{http.MethodGet, CallbackPath, f.callback},
		{http.MethodGet, consentPath, f.consent},
		{http.MethodGet, SignedOutPath, f.signedOut},
		{http.MethodGet, pages.AssetsPath + "{name...}", f.Pages.Assets().ServeHTTP},
	} {
		rt.HandlePage(route.method, route.pattern, timed(f.ready(route.handler)), f.routeError)
	}
}

// ready has h answer when the keys are there.
func (f *Front) ready(h http.HandlerFunc) http.HandlerFunc {
	if f.Ready == nil {
		return h
	}
	return func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, pages.AssetsPath) {
			if err := f.Ready(r.Context()); err != nil {
				f.showProblem(w, r, "", unavailable("the broker is not ready", err))
				return
			}
		}
		h(w, r)
	}
}

// timed bounds what a request may wait for, and keeps HEAD, which must not
// change anything (RFC 9110 §9.2.1), from what GET does here.
func timed(h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead && !strings.HasPrefix(r.URL.Path, pages.AssetsPath) {
			w.Header().Set("Cache-Control", "no-store")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), requestTime)
		defer cancel()
		h(w, r.WithContext(ctx))
	})
}

// see sends the browser on (RFC 9700 §4.12 wants 303).
func see(w http.ResponseWriter, to string) {
	h := w.Header()
	h.Set("Location", to)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(http.StatusSeeOther)
}

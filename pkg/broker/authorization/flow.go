package authorization

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

const (
	// RequestTime is how long the context of a request should last. Two
	// clean-ups have their own time in addition. All together end within 25 s,
	// because API Gateway ends a request after 30 s.
	RequestTime = 18 * time.Second
	// provisionTime is the part of RequestTime for making an app client.
	provisionTime = 14 * time.Second
	// cleanupTime is how long one clean-up of a failed request may take.
	cleanupTime = 3 * time.Second
	// The second of two decisions waits for the first one to store its grant: so
	// often, and each time so long.
	outcomeTries = 8
	outcomeWait  = 250 * time.Millisecond
)

// Clients finds registered clients; *clients.Directory implements it.
type Clients interface {
	// Client returns the registration of a client that may be used now, or
	// broker.ErrNotFound if there is none. clientID may be any text.
	Client(ctx context.Context, clientID string) (*broker.Registration, error)
}

// Store is the part of broker.GrantStore and broker.Store that this package
// uses. The methods promise the same as there.
type Store interface {
	AppClient(ctx context.Context, key string) (*broker.AppClient, error)
	CreateTransaction(ctx context.Context, t *broker.Transaction) error
	Transaction(ctx context.Context, key credential.Hash) (*broker.Transaction, error)
	TakeStep(ctx context.Context, key credential.Hash, from, to broker.Step) (*broker.Transaction, error)
	ReplaceTransaction(ctx context.Context, t *broker.Transaction) error
	DeleteTransaction(ctx context.Context, key credential.Hash) error
	CreateGrant(ctx context.Context, g *broker.Grant) error
	Grant(ctx context.Context, id string) (*broker.Grant, error)
	CreateTokens(ctx context.Context, t *broker.SealedTokens) error
	Tokens(ctx context.Context, id string) (*broker.SealedTokens, error)
	DeleteTokens(ctx context.Context, id string, version int64) error
	PutConsent(ctx context.Context, c *broker.Consent) error
	Consent(ctx context.Context, key string) (*broker.Consent, error)
	DeleteConsent(ctx context.Context, key string) error
}

// Cognito is the OAuth endpoints of the user pool. An error of Redeem is a
// *broker.UpstreamError if Cognito answered with an error code.
type Cognito interface {
	// AuthorizeURL returns the address of the authorize endpoint with these
	// parameters.
	AuthorizeURL(params url.Values) string
	// LogoutURL returns the address at which Cognito signs the browser out and
	// then redirects it to signedOut, a sign-out URL of the app client.
	LogoutURL(appID, signedOut string) string
	// Redeem exchanges a code for tokens. The redirect URI is the one of the
	// authorization request. A code can be redeemed once.
	Redeem(ctx context.Context, app broker.AppCredentials, code, verifier, redirectURI string) (broker.Tokens, error)
	// UserInfo returns what the pool says about the user of an access token with
	// the scope openid.
	UserInfo(ctx context.Context, accessToken string) (broker.UserInfo, error)
	// Revoke revokes a refresh token and all tokens of the same sign-in. A token
	// that is no longer valid is no error.
	Revoke(ctx context.Context, app broker.AppCredentials, refreshToken string) error
}

// Config is what a Flow needs. All fields are required.
type Config struct {
	// Issuer is the broker's origin.
	Issuer  string
	Clients Clients
	Store   Store
	// Provisioner makes app clients, and seals their secrets again after a key
	// rotation.
	Provisioner broker.Provisioner
	// Configuration returns the configuration in force. It is called once for each
	// request, and a second time with broker.Newest if the configuration lacks a
	// profile or a protected resource.
	Configuration func(context.Context) (*configuration.Configuration, error)
	// Keys returns the keys that seal and open. It is called once for each
	// request that needs them.
	Keys    func(context.Context) (*seal.Ring, error)
	Cognito Cognito
	// LoginVersion is the version of Cognito's sign-in pages: 1 is the classic
	// pages, which have no prompt, and 2 is managed login.
	LoginVersion int
	Now          func() time.Time
	// Pause returns after d, or with an error when ctx ends: broker.Pause.
	Pause func(ctx context.Context, d time.Duration) error
	Log   *slog.Logger
}

// Flow leads browsers from the authorization request of a client to a code. It
// is safe for concurrent use.
// The errors of its methods are a *Problem for the user or a *Denial for the
// client.
type Flow struct{ config Config }

// New returns a Flow, or an error if a field of c is missing.
func New(c Config) (*Flow, error) {
	if c.Issuer == "" || c.Clients == nil || c.Store == nil || c.Provisioner == nil || c.Configuration == nil || c.Keys == nil ||
		c.Cognito == nil || c.Now == nil || c.Pause == nil || c.Log == nil {
		return nil, errors.New("authorization: a required field of Config is missing")
	}
	if c.LoginVersion != 1 && c.LoginVersion != 2 {
		return nil, errors.New("authorization: LoginVersion must be 1 or 2")
	}
	return &Flow{c}, nil
}

// visit is one request of a browser: its secret, and the configuration and the
// keys in force, which may change between two requests.
type visit struct {
	flow   *Flow
	conf   *configuration.Configuration
	ring   *seal.Ring
	secret Secret
}

func (f *Flow) visit(ctx context.Context, s Secret) (*visit, error) {
	v, err := f.visitWithoutKeys(ctx, s)
	if err != nil {
		return nil, err
	}
	if v.ring, err = f.config.Keys(ctx); err != nil {
		return nil, notReady(err)
	}
	return v, nil
}

// visitWithoutKeys returns a visit that neither seals nor opens.
func (f *Flow) visitWithoutKeys(ctx context.Context, s Secret) (*visit, error) {
	conf, err := f.config.Configuration(ctx)
	if err != nil {
		return nil, notReady(err)
	}
	return &visit{flow: f, conf: conf, secret: s}, nil
}

// renew puts the newest configuration into v, for a request that needs something
// which v.conf does not have.
func (v *visit) renew(ctx context.Context) error {
	conf, err := v.flow.config.Configuration(broker.Newest(ctx))
	if err != nil {
		return notReady(err)
	}
	v.conf = conf
	return nil
}

// renewFor is renew if v.conf lacks one of these protected resources.
func (v *visit) renewFor(ctx context.Context, resources ...string) error {
	for _, r := range resources {
		if _, ok := v.resource(r); !ok {
			return v.renew(ctx)
		}
	}
	return nil
}

func notReady(cause error) *Problem {
	r := broker.NotReady(cause)
	return &Problem{Kind: NotReady, Detail: r.Description, RetryAfter: r.RetryAfter, Cause: r}
}

// transaction returns the transaction of a browser.
func (f *Flow) transaction(ctx context.Context, s Secret) (*broker.Transaction, error) {
	if err := s.missing(); err != nil {
		return nil, err
	}
	t, err := f.config.Store.Transaction(ctx, s.key())
	if errors.Is(err, broker.ErrNotFound) {
		return nil, expired("this sign-in has expired")
	}
	if err != nil {
		return nil, unavailable("the sign-in could not be read", err)
	}
	return t, nil
}

// forget removes a transaction that cannot continue.
func (f *Flow) forget(ctx context.Context, t *broker.Transaction) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	if err := f.config.Store.DeleteTransaction(ctx, t.Key); err != nil {
		f.warn(ctx, "transaction not removed", "client_id", t.ClientID, "error", err)
	}
}

// warn logs a fault that does not change the answer to the request.
func (f *Flow) warn(ctx context.Context, msg string, args ...any) {
	f.config.Log.With("request_id", telemetry.Of(ctx).ID()).WarnContext(ctx, msg, args...)
}

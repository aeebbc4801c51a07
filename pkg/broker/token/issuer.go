package token

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/grants"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

// requestTime limits a request, without the time for ending a grant (5 s). The
// sum stays below the 25 s of a whole request.
const requestTime = 17 * time.Second

// Store is the part of broker.GrantStore that this package uses.
type Store interface {
	grants.Writer
	CreateGrant(ctx context.Context, g *broker.Grant) error
	Tokens(ctx context.Context, id string) (*broker.SealedTokens, error)
	ReplaceTokens(ctx context.Context, t *broker.SealedTokens) error
	DeleteConsent(ctx context.Context, key string) error
	PutMachineToken(ctx context.Context, t *broker.MachineToken) error
	MachineToken(ctx context.Context, id string) (*broker.MachineToken, error)
}

// Cognito is Cognito's token endpoint. The errors are *broker.UpstreamError.
type Cognito interface {
	// Refresh fetches a new access token. Tokens.RefreshToken is empty unless
	// Cognito returned a new one.
	Refresh(ctx context.Context, app broker.AppCredentials, refreshToken string) (broker.Tokens, error)
	// ClientCredentials fetches an access token for the app client itself, with
	// exactly these scopes. There is at least one.
	ClientCredentials(ctx context.Context, app broker.AppCredentials, scopes []string) (broker.Tokens, error)
}

// ErrInvalidAccessToken means that a text is not a valid access token of the
// user pool.
var ErrInvalidAccessToken = errors.New("not a valid access token")

// AccessTokens verifies Cognito's access tokens.
type AccessTokens interface {
	// Verify returns the claims of the token, or ErrInvalidAccessToken. After
	// any other error the caller does not know whether the token is valid.
	Verify(ctx context.Context, token string) (Claims, error)
}

// Claims are the claims of an access token of Cognito.
type Claims struct {
	// ClientID is the id of the app client.
	ClientID string
	Sub      string
	// Username is empty for a token without a user.
	Username string
	// OriginJTI is the claim that all tokens of one sign-in share. It is empty
	// for a token of client_credentials.
	OriginJTI string
	Scopes    []string
	// Groups are the groups of the user when Cognito issued the token.
	Groups []string
	// ID is the claim jti, which names the token.
	ID string
	// Audience is empty unless the token is bound to a resource (RFC 8707).
	Audience  []string
	IssuedAt  time.Time
	ExpiresAt time.Time
}

// Config is what an Issuer needs. All fields are REQUIRED.
type Config struct {
	Store        Store
	Clients      *clients.Directory
	AppClients   *grants.AppClients
	Ender        *grants.Ender
	Cognito      Cognito
	Provisioner  broker.Provisioner
	AccessTokens AccessTokens
	// Configuration returns the configuration in force. It is called with
	// broker.Newest before a request is refused for good, and with broker.Uncached
	// before a grant ends, because of the configuration.
	Configuration func(context.Context) (*configuration.Configuration, error)
	// Keys returns the sealing keys. It is called once for each request.
	Keys func(context.Context) (*seal.Ring, error)
	Now  func() time.Time
	Log  *slog.Logger
}

// Issuer issues, revokes and introspects tokens. It is safe for concurrent use.
//
// An error that a client may see is a *broker.Refusal or holds a *dcr.Error. If
// the store or Cognito cannot be reached, its code is dcr.Unavailable, and a
// refresh token that the client sent stays valid.
type Issuer struct{ Config }

// New returns an Issuer, or an error if a field of c is missing.
func New(c Config) (*Issuer, error) {
	if c.Store == nil || c.Clients == nil || c.AppClients == nil || c.Ender == nil || c.Cognito == nil ||
		c.Provisioner == nil || c.AccessTokens == nil || c.Configuration == nil || c.Keys == nil || c.Now == nil || c.Log == nil {
		return nil, errors.New("token: a required field of Config is missing")
	}
	return &Issuer{c}, nil
}

// call is the request of a client that has authenticated.
type call struct {
	*Issuer
	Request
	reg *broker.Registration
	// ring has the keys of this request.
	ring *seal.Ring
}

// authenticate reads the keys and authenticates the client of a request.
func (i *Issuer) authenticate(ctx context.Context, r Request) (*call, error) {
	ring, err := i.keys(ctx)
	if err != nil {
		return nil, err
	}
	reg, err := i.Clients.Authenticate(ctx, r.Client)
	if err != nil {
		return nil, err
	}
	return &call{i, r, reg, ring}, nil
}

func (i *Issuer) keys(ctx context.Context) (*seal.Ring, error) {
	ring, err := i.Keys(ctx)
	if err != nil {
		return nil, broker.NotReady(err)
	}
	return ring, nil
}

// audit writes an audit event about g. The actor is the client of the request.
func (c *call) audit(ctx context.Context, event telemetry.Event, g *broker.Grant, after ...slog.Attr) {
	telemetry.Audit{
		Event: event, Actor: broker.ByClient(c.reg), ClientID: g.ClientID, Profile: c.reg.Profile,
		AppClient: g.CognitoID, Grant: g.ID, User: g.User.Sub, After: after,
	}.Log(ctx, c.Log)
}

// end ends g, logs the reason, and returns the refusal with the description.
func (c *call) end(ctx context.Context, g *broker.Grant, reason, description string) error {
	before := g.EndedAt
	err := c.Ender.EndGrant(ctx, c.ring, g)
	if g.EndedAt.IsZero() {
		return unavailable("the grant could not be ended", err)
	}
	if err != nil {
		c.Log.WarnContext(ctx, "grant ended, but not completely", "request_id", telemetry.Of(ctx).ID(), "grant", g, "error", err)
	}
	if before.IsZero() {
		c.audit(ctx, telemetry.GrantEnded, g, slog.String("reason", reason))
	}
	return invalidGrant(description)
}

func invalidGrant(description string) error {
	return broker.Refuse(broker.InvalidGrant, description)
}

// unavailable refuses a request that the client can repeat.
func unavailable(description string, cause error) error {
	return broker.Unavailable(description+", try again", broker.RetrySoon, cause)
}

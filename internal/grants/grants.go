package grants

import (
	"context"
	"errors"
	"iter"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/jwt"
	"github.com/dcr-broker/dcr-broker/internal/oauthform"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
)

// requestTime is how long a token request may take, ending a grant apart
// (endTime). Together they are under the 25 s of a whole request.
const requestTime = 17 * time.Second

// Grants is the part of a grant.Store that is used here.
type Grants interface {
	CreateGrant(ctx context.Context, g *broker.Grant) error
	Grant(ctx context.Context, id string) (*broker.Grant, error)
	ReplaceGrant(ctx context.Context, g *broker.Grant) error
	GrantsOf(ctx context.Context, clientID string) iter.Seq2[string, error]
	ListGrants(ctx context.Context) iter.Seq2[*broker.Grant, error]
	DeleteConsent(ctx context.Context, key string) error
}

// AppClients is the part of broker.AppClientRecords that is used here.
type AppClients interface {
	AppClient(ctx context.Context, key string) (*broker.AppClient, error)
}

// Cognito is Cognito's token and revocation endpoints; *cognitoauth.Client is
// them.
type Cognito interface {
	Refresh(ctx context.Context, app broker.AppCredentials, refreshToken string) (broker.Tokens, error)
	ClientCredentials(ctx context.Context, app broker.AppCredentials, scopes []string) (broker.Tokens, error)
	Revoke(ctx context.Context, app broker.AppCredentials, refreshToken string) error
}

// AccessTokens verifies Cognito's access tokens; *jwt.AccessTokens does.
type AccessTokens interface {
	// Verify returns what the token says, or jwt.ErrInvalid. After any
	// other error it is not known whether it is valid.
	Verify(ctx context.Context, token string) (jwt.Claims, error)
}

// Introspector is a protected resource that may ask about tokens.
type Introspector struct {
	ID string
	// Secret is the hash of its secret.
	Secret credential.Hash
	// Resource is the URL of the one among Config.Resources that it is.
	Resource string
}

// Config is what the endpoints need. All of it is REQUIRED, apart from Resources
// and Introspectors.
type Config struct {
	Ender        *Ender
	Clients      oauthform.Clients
	Provisioner  broker.Provisioner
	AccessTokens AccessTokens
	// Resources are the protected resources of the deployment.
	Resources []broker.Resource
	// Introspectors may use the introspection endpoint.
	Introspectors []Introspector
}

// Endpoints are the endpoints. They are safe for concurrent use.
type Endpoints struct {
	Config
	store   Grants
	cognito Cognito
	apps    *apps
	ring    *seal.Ring
	now     func() time.Time
	asking  map[string]asking // by id
}

// New returns the endpoints, or an error if something is missing from c or
// contradicts itself.
func New(c Config) (*Endpoints, error) {
	if c.Ender == nil || c.Clients == nil || c.Provisioner == nil || c.AccessTokens == nil {
		return nil, errors.New("grants: Ender, Clients, Provisioner and AccessTokens are required")
	}
	e := &Endpoints{Config: c, store: c.Ender.store, cognito: c.Ender.cognito, apps: c.Ender.apps, ring: c.Ender.ring, now: c.Ender.now}
	var err error
	e.asking, err = askingResources(c)
	return e, err
}

// resource returns the protected resource that is named, or the only one there
// is if none is; ok is false if there is no such one. A trailing slash is
// forgiven, since clients add and drop it.
func (e *Endpoints) resource(named string) (r broker.Resource, ok bool) {
	if named == "" && len(e.Resources) == 1 {
		return e.Resources[0], true
	}
	for _, r := range e.Resources {
		if named != "" && broker.SameResource(r.URL, named) {
			return r, true
		}
	}
	return broker.Resource{}, false
}

// reported are the scopes as clients and resources are told of them: openid is
// for the broker's own sign-in.
func reported(scopes []string) string {
	var b strings.Builder
	for _, s := range scopes {
		if s == "openid" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(s)
	}
	return b.String()
}

func invalidGrant(description string) error {
	return oauthform.Refusal("invalid_grant", description)
}

// cognitoFailed is the answer when Cognito did not do what it should have.
func cognitoFailed(err error) error {
	e := oauthform.Unavailable("Cognito could not answer", err)
	if u, ok := errors.AsType[*broker.UpstreamError](err); ok && u.Code == "" {
		e.RetryAfter = u.RetryAfter
	}
	return e
}

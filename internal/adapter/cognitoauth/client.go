package cognitoauth

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

const (
	defaultTimeout = 5 * time.Second
	maxReply       = 256 << 10
)

// Config says where Cognito is.
type Config struct {
	// AuthorizeEndpoint and LogoutEndpoint are Cognito's as browsers reach them.
	AuthorizeEndpoint string
	LogoutEndpoint    string
	// TokenEndpoint and RevocationEndpoint are Cognito's as this process reaches
	// them.
	TokenEndpoint      string
	RevocationEndpoint string
	// HTTP asks Cognito; nil is a client with http.DefaultTransport. Redirects
	// are never followed, whatever it says.
	HTTP *http.Client
	// Timeout is how long Cognito may take for a whole answer. 0 is 5 seconds.
	Timeout time.Duration
}

// Client calls the OAuth endpoints of a user pool. It is safe for concurrent use.
//
// The errors of its methods are a *broker.UpstreamError.
type Client struct {
	config Config
	http   *http.Client
}

// New returns the endpoints. An endpoint that is left empty must not be used.
func New(config Config) *Client {
	c := &Client{config: config, http: adapter.WithoutRedirects(config.HTTP)}
	if c.config.Timeout == 0 {
		c.config.Timeout = defaultTimeout
	}
	return c
}

// AuthorizeURL returns the address of Cognito's authorize endpoint with these
// parameters.
func (c *Client) AuthorizeURL(params url.Values) string {
	return c.config.AuthorizeEndpoint + "?" + params.Encode()
}

// LogoutURL returns the address at which a browser ends its sign-in, after
// which it goes to signedOut, a sign-out URL of the app client.
func (c *Client) LogoutURL(appID, signedOut string) string {
	return c.config.LogoutEndpoint + "?" + url.Values{"client_id": {appID}, "logout_uri": {signedOut}}.Encode()
}

// Redeem redeems a code. The redirect URI is that of the authorization request.
// A code is good for one attempt.
func (c *Client) Redeem(ctx context.Context, app broker.AppCredentials, code, verifier, redirectURI string) (broker.Tokens, error) {
	return c.tokens(ctx, app, url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {code},
		"code_verifier": {verifier},
		"redirect_uri":  {redirectURI},
	})
}

// Refresh fetches a new access token. Tokens.RefreshToken is empty unless
// Cognito gave a new one.
func (c *Client) Refresh(ctx context.Context, app broker.AppCredentials, refreshToken string) (broker.Tokens, error) {
	return c.tokens(ctx, app, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refreshToken}})
}

// ClientCredentials fetches an access token for the app client itself, with
// exactly these scopes, of which there must be one.
func (c *Client) ClientCredentials(ctx context.Context, app broker.AppCredentials, scopes []string) (broker.Tokens, error) {
	return c.tokens(ctx, app, url.Values{"grant_type": {"client_credentials"}, "scope": {strings.Join(scopes, " ")}})
}

// Revoke revokes a refresh token and all tokens that came of the same sign-in.
// One that is no token any more is no error.
func (c *Client) Revoke(ctx context.Context, app broker.AppCredentials, refreshToken string) error {
	_, err := c.post(ctx, c.config.RevocationEndpoint, own(app), url.Values{"token": {refreshToken}})
	return err
}

func (c *Client) tokens(ctx context.Context, app broker.AppCredentials, params url.Values) (broker.Tokens, error) {
	body, err := c.post(ctx, c.config.TokenEndpoint, own(app), params)
	if err != nil {
		return broker.Tokens{}, err
	}
	t, err := parseTokens(body, app)
	if err != nil {
		return broker.Tokens{}, badAnswer(err)
	}
	return t, nil
}

// own returns the credentials of an app client of the broker, all of which have
// a secret.
func own(app broker.AppCredentials) clients.Credentials {
	return clients.Credentials{ID: app.ID, Secret: app.Secret, Basic: true}
}

// post sends params to the address as that client, and returns the body of a
// successful answer. It keeps params as they are.
func (c *Client) post(ctx context.Context, address string, as clients.Credentials, params url.Values) ([]byte, error) {
	basic := as.Basic && as.Secret != ""
	if !basic {
		params = maps.Clone(params)
		params.Set("client_id", as.ID)
		if as.Secret != "" {
			params.Set("client_secret", as.Secret)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(params.Encode()))
	if err != nil {
		return nil, noAnswer(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	if basic {
		// Cognito documents base64 of id and secret as they are, without the form
		// encoding of RFC 6749 §2.3.1.
		req.SetBasicAuth(as.ID, as.Secret)
	}
	start := time.Now()
	defer func() { telemetry.Called(ctx, telemetry.CognitoOAuth, time.Since(start), false) }()
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, noAnswer(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	if err != nil {
		return nil, noAnswer(fmt.Errorf("status %d, then: %w", resp.StatusCode, err))
	}
	if len(body) > maxReply {
		return nil, noAnswer(fmt.Errorf("status %d and more than %d bytes", resp.StatusCode, maxReply))
	}
	return body, refused(resp, body, params, as.Secret)
}

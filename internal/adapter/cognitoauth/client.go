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

// Config is the configuration of a Client. An endpoint that the program does
// not use may be empty.
type Config struct {
	// AuthorizeEndpoint is the URL of Cognito's authorize endpoint for
	// browsers.
	AuthorizeEndpoint string
	// LogoutEndpoint is the URL of Cognito's logout endpoint for browsers.
	LogoutEndpoint string
	// TokenEndpoint is the URL at which this process reaches Cognito's token
	// endpoint.
	TokenEndpoint string
	// RevocationEndpoint is the URL at which this process reaches Cognito's
	// revocation endpoint.
	RevocationEndpoint string
	// UserInfoEndpoint is the URL at which this process reaches Cognito's userInfo
	// endpoint.
	UserInfoEndpoint string
	// HTTP calls Cognito; nil is a client with http.DefaultTransport. Its
	// CheckRedirect is ignored: redirects are not followed.
	HTTP *http.Client
	// Timeout is the longest time for a whole call. 0 means 5 seconds.
	Timeout time.Duration
}

// Client calls the OAuth endpoints of a user pool. It is safe for concurrent
// use.
//
// Every error of its methods is a *broker.UpstreamError.
type Client struct {
	config Config
	http   *http.Client
}

// New returns a Client. Methods whose endpoint is empty must not be called.
func New(config Config) *Client {
	c := &Client{config: config, http: adapter.WithoutRedirects(config.HTTP)}
	if c.config.Timeout == 0 {
		c.config.Timeout = defaultTimeout
	}
	return c
}

// AuthorizeURL returns the URL of Cognito's authorize endpoint with these
// parameters.
func (c *Client) AuthorizeURL(params url.Values) string {
	return c.config.AuthorizeEndpoint + "?" + params.Encode()
}

// LogoutURL returns the URL at which a browser signs out of Cognito. Cognito
// then redirects it to signedOut, which must be a sign-out URL of the app
// client.
func (c *Client) LogoutURL(appID, signedOut string) string {
	return c.config.LogoutEndpoint + "?" + url.Values{"client_id": {appID}, "logout_uri": {signedOut}}.Encode()
}

// Redeem exchanges an authorization code for tokens (RFC 6749 §4.1.3).
// redirectURI must be the one in the authorization request, and verifier the
// code verifier of its challenge (RFC 7636 §4.5). A code can be tried once.
func (c *Client) Redeem(ctx context.Context, app broker.AppCredentials, code, verifier, redirectURI string) (broker.Tokens, error) {
	return c.tokens(ctx, app, url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {code},
		"code_verifier": {verifier},
		"redirect_uri":  {redirectURI},
	})
}

// Refresh requests a new access token (RFC 6749 §6). Tokens.RefreshToken is
// empty unless Cognito issued a new refresh token.
func (c *Client) Refresh(ctx context.Context, app broker.AppCredentials, refreshToken string) (broker.Tokens, error) {
	return c.tokens(ctx, app, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refreshToken}})
}

// ClientCredentials requests an access token for the app client itself (RFC
// 6749 §4.4), with exactly these scopes, at least one.
func (c *Client) ClientCredentials(ctx context.Context, app broker.AppCredentials, scopes []string) (broker.Tokens, error) {
	return c.tokens(ctx, app, url.Values{"grant_type": {"client_credentials"}, "scope": {strings.Join(scopes, " ")}})
}

// Revoke revokes a refresh token and the access tokens that were issued with it
// (RFC 7009 §2.1). A token that is no longer valid is no error (§2.2).
func (c *Client) Revoke(ctx context.Context, app broker.AppCredentials, refreshToken string) error {
	_, err := c.post(ctx, c.config.RevocationEndpoint, own(app), url.Values{"token": {refreshToken}})
	return err
}

// UserInfo returns what Cognito says about the user of an access token with the
// scope openid (OpenID Connect Core 1.0 §5.3).
func (c *Client) UserInfo(ctx context.Context, accessToken string) (broker.UserInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.config.UserInfoEndpoint, nil)
	if err != nil {
		return broker.UserInfo{}, noAnswer(err)
	}
	req.Header.Set("Authorization", "Bearer "+accessToken)
	resp, body, err := c.send(req)
	if err != nil {
		return broker.UserInfo{}, err
	}
	if err := responseError(resp, body, nil, accessToken); err != nil {
		return broker.UserInfo{}, err
	}
	return parseUserInfo(body)
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

// own returns the credentials of an app client of the broker. All of them have
// a secret.
func own(app broker.AppCredentials) clients.Credentials {
	return clients.Credentials{ID: app.ID, Secret: app.Secret, Basic: true}
}

// post sends params to the address and authenticates as the client. It returns
// the body of a response with status 200. It does not change params.
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
	if basic {
		// RFC 6749 §2.3.1 encodes id and secret as form values first. Cognito
		// documents base64 of both as they are, so they are not encoded here.
		req.SetBasicAuth(as.ID, as.Secret)
	}
	resp, body, err := c.send(req)
	if err != nil {
		return nil, err
	}
	return body, responseError(resp, body, params, as.Secret)
}

// send returns a response, whatever its status, and its body.
func (c *Client) send(req *http.Request) (*http.Response, []byte, error) {
	req.Header.Set("Accept", "application/json")
	start, throttled := time.Now(), false
	defer func() { telemetry.Called(req.Context(), telemetry.CognitoOAuth, time.Since(start), throttled) }()
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, nil, noAnswer(err)
	}
	defer resp.Body.Close()
	throttled = resp.StatusCode == http.StatusTooManyRequests
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	if err != nil {
		return nil, nil, noAnswer(fmt.Errorf("status %d, then: %w", resp.StatusCode, err))
	}
	if len(body) > maxReply {
		return nil, nil, noAnswer(fmt.Errorf("status %d and more than %d bytes", resp.StatusCode, maxReply))
	}
	return resp, body, nil
}

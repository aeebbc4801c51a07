package cognitoauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

const (
	defaultTimeout = 5 * time.Second
	maxReply       = 256 << 10

	// defaultRetry is when to come back if Cognito does not say, and maxRetry
	// the latest, whatever Cognito says.
	defaultRetry = 2 * time.Second
	maxRetry     = time.Minute
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
	_, err := c.ask(ctx, c.config.RevocationEndpoint, app, url.Values{"token": {refreshToken}})
	return err
}

func (c *Client) tokens(ctx context.Context, app broker.AppCredentials, params url.Values) (broker.Tokens, error) {
	body, err := c.ask(ctx, c.config.TokenEndpoint, app, params)
	if err != nil {
		return broker.Tokens{}, err
	}
	t, err := parseTokens(body, app)
	if err != nil {
		return broker.Tokens{}, &broker.UpstreamError{RetryAfter: defaultRetry, Cause: err}
	}
	return t, nil
}

// ask returns the body of a successful answer.
func (c *Client) ask(ctx context.Context, address string, app broker.AppCredentials, params url.Values) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(params.Encode()))
	if err != nil {
		return nil, &broker.UpstreamError{RetryAfter: defaultRetry, Cause: err}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	// Cognito documents base64 of id and secret as they are, without the form
	// encoding of RFC 6749 §2.3.1.
	req.SetBasicAuth(app.ID, app.Secret)
	start := time.Now()
	defer func() { telemetry.Called(ctx, telemetry.CognitoOAuth, time.Since(start), false) }()
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, &broker.UpstreamError{RetryAfter: defaultRetry, Cause: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	if err != nil {
		return nil, &broker.UpstreamError{RetryAfter: defaultRetry, Cause: fmt.Errorf("status %d, then: %w", resp.StatusCode, err)}
	}
	if len(body) > maxReply {
		return nil, &broker.UpstreamError{RetryAfter: defaultRetry, Cause: fmt.Errorf("status %d and more than %d bytes", resp.StatusCode, maxReply)}
	}
	return body, refused(resp, body, params, app)
}

// refused returns the error of an answer that is not a success. Too many
// requests are no refusal: the quota is the user pool's.
func refused(resp *http.Response, body []byte, params url.Values, app broker.AppCredentials) error {
	switch {
	case resp.StatusCode == http.StatusOK:
		return nil
	case resp.StatusCode == http.StatusTooManyRequests:
		return &broker.UpstreamError{RetryAfter: retryAfter(resp.Header), Cause: errors.New("status 429")}
	}
	o, ok := object(body)
	code := o.text("error")
	if !ok || resp.StatusCode < 400 || resp.StatusCode > 499 || !errorCode(code) {
		return &broker.UpstreamError{RetryAfter: retryAfter(resp.Header), Cause: fmt.Errorf("status %d without an OAuth error", resp.StatusCode)}
	}
	return &broker.UpstreamError{Code: code, Description: describable(o.text("error_description"), params, app)}
}

// errorCode reports whether s can be one (RFC 6749 §5.2); all that exist are
// made of these.
func errorCode(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_") == ""
}

// describable returns the description if it is fit for a client and a log: in
// the characters of RFC 6749 §5.2, short, and repeating nothing secret.
func describable(s string, params url.Values, app broker.AppCredentials) string {
	if len(s) > 300 || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
		return ""
	}
	for _, secret := range []string{params.Get("code"), params.Get("code_verifier"), params.Get("refresh_token"), params.Get("token"), app.Secret} {
		if secret != "" && strings.Contains(s, secret) {
			return ""
		}
	}
	return s
}

// retryAfter reads the Retry-After header in its form of seconds (RFC 9110
// §10.2.3).
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 1 {
		return defaultRetry
	}
	return min(time.Duration(min(seconds, 3600))*time.Second, maxRetry)
}

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

	// defaultRetry is the RetryAfter of an error if Cognito sent no
	// Retry-After.
	defaultRetry = 2 * time.Second
	// maxRetry is the longest RetryAfter, even if Cognito sent a longer one.
	maxRetry = time.Minute
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
// (RFC 7009 §2.1). A token that is not valid any more is no error (§2.2).
func (c *Client) Revoke(ctx context.Context, app broker.AppCredentials, refreshToken string) error {
	_, err := c.post(ctx, c.config.RevocationEndpoint, app, url.Values{"token": {refreshToken}})
	return err
}

func (c *Client) tokens(ctx context.Context, app broker.AppCredentials, params url.Values) (broker.Tokens, error) {
	body, err := c.post(ctx, c.config.TokenEndpoint, app, params)
	if err != nil {
		return broker.Tokens{}, err
	}
	t, err := parseTokens(body, app)
	if err != nil {
		return broker.Tokens{}, &broker.UpstreamError{RetryAfter: defaultRetry, Cause: err}
	}
	return t, nil
}

// post sends params as the app client and returns the body of a response with
// status 200.
func (c *Client) post(ctx context.Context, address string, app broker.AppCredentials, params url.Values) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(params.Encode()))
	if err != nil {
		return nil, &broker.UpstreamError{RetryAfter: defaultRetry, Cause: err}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	// RFC 6749 §2.3.1 encodes id and secret as form values first. Cognito
	// documents base64 of both as they are, so they are not encoded here.
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
	return body, responseError(resp, body, params, app)
}

// responseError returns the error of a response whose status is not 200. Status
// 429 is not a refusal of the request, since the quota is the user pool's.
func responseError(resp *http.Response, body []byte, params url.Values, app broker.AppCredentials) error {
	switch {
	case resp.StatusCode == http.StatusOK:
		return nil
	case resp.StatusCode == http.StatusTooManyRequests:
		return &broker.UpstreamError{RetryAfter: retryAfter(resp.Header), Cause: errors.New("status 429")}
	}
	o, ok := object(body)
	code := o.text("error")
	if !ok || resp.StatusCode < 400 || resp.StatusCode > 499 || !isErrorCode(code) {
		return &broker.UpstreamError{RetryAfter: retryAfter(resp.Header), Cause: fmt.Errorf("status %d without an OAuth error", resp.StatusCode)}
	}
	return &broker.UpstreamError{Code: code, Description: safeDescription(o.text("error_description"), params, app)}
}

// isErrorCode reports whether s looks like an error code. RFC 6749 §5.2 allows
// more characters, but all registered codes consist of these.
func isErrorCode(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_") == ""
}

// safeDescription returns s if a client and a log may contain it, else "": it
// must be short, have only the characters of RFC 6749 §5.2, and contain none of
// the secrets that were sent.
func safeDescription(s string, params url.Values, app broker.AppCredentials) string {
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

// retryAfter returns the Retry-After header if it is a number of seconds (RFC
// 9110 §10.2.3), at most maxRetry, else defaultRetry.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 1 {
		return defaultRetry
	}
	return min(time.Duration(min(seconds, 3600))*time.Second, maxRetry)
}

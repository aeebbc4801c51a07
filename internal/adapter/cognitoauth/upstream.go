package cognitoauth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

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

// Cognito is the OAuth endpoints of a user pool. It is safe for concurrent use.
//
// The errors of its methods are a *Refused if Cognito said no, and otherwise an
// *Unavailable, after which it is not known whether the call was applied.
type Cognito struct {
	config Config
	http   *http.Client
}

// New returns the endpoints. An endpoint that is left empty must not be used.
func New(c Config) *Cognito {
	u := &Cognito{config: c, http: new(http.Client)}
	if c.HTTP != nil {
		*u.http = *c.HTTP
	}
	// A redirect would carry codes and secrets elsewhere.
	u.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if u.config.Timeout == 0 {
		u.config.Timeout = defaultTimeout
	}
	return u
}

// App is one of the broker's app clients with its secret. It prints as
// "[redacted]".
type App struct{ ID, Secret string }

// String implements fmt.Stringer.
func (App) String() string { return "[redacted]" }

// GoString implements fmt.GoStringer.
func (App) GoString() string { return "[redacted]" }

// LogValue implements slog.LogValuer.
func (App) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// Refused is an OAuth error of Cognito's (RFC 6749 §5.2).
type Refused struct {
	Code string
	// Description is printable ASCII without quotes and backslashes, or empty.
	Description string
}

func (e *Refused) Error() string { return "cognito: " + e.Code + ": " + e.Description }

// Unavailable is when Cognito did not answer, was throttled, or answered what
// cannot be understood.
type Unavailable struct {
	// RetryAfter is when to come back; it is never 0.
	RetryAfter time.Duration
	Cause      error
}

func (e *Unavailable) Error() string { return "cognito unavailable: " + e.Cause.Error() }

// Unwrap returns the cause.
func (e *Unavailable) Unwrap() error { return e.Cause }

// AuthorizeURL returns the address of Cognito's authorize endpoint with these
// parameters.
func (u *Cognito) AuthorizeURL(params url.Values) string {
	return u.config.AuthorizeEndpoint + "?" + params.Encode()
}

// LogoutURL returns the address at which a browser ends its sign-in, after
// which it goes to signedOut, a sign-out URL of the app client.
func (u *Cognito) LogoutURL(appID, signedOut string) string {
	return u.config.LogoutEndpoint + "?" + url.Values{"client_id": {appID}, "logout_uri": {signedOut}}.Encode()
}

// Challenge returns the PKCE challenge of a verifier (RFC 7636 §4.2, S256).
func Challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Redeem redeems a code. The redirect URI is that of the authorization request.
// A code is good for one attempt.
func (u *Cognito) Redeem(ctx context.Context, app App, code, verifier, redirectURI string) (Tokens, error) {
	return u.tokens(ctx, app, url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {code},
		"code_verifier": {verifier},
		"redirect_uri":  {redirectURI},
	})
}

// Refresh fetches a new access token. Tokens.RefreshToken is empty unless
// Cognito gave a new one.
func (u *Cognito) Refresh(ctx context.Context, app App, refreshToken string) (Tokens, error) {
	return u.tokens(ctx, app, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refreshToken}})
}

// ClientCredentials fetches an access token for the app client itself, with
// exactly these scopes, of which there must be one.
func (u *Cognito) ClientCredentials(ctx context.Context, app App, scopes []string) (Tokens, error) {
	return u.tokens(ctx, app, url.Values{"grant_type": {"client_credentials"}, "scope": {strings.Join(scopes, " ")}})
}

// Revoke revokes a refresh token and all tokens that came of the same sign-in.
// One that is no token any more is no error.
func (u *Cognito) Revoke(ctx context.Context, app App, refreshToken string) error {
	_, err := u.ask(ctx, u.config.RevocationEndpoint, app, url.Values{"token": {refreshToken}})
	return err
}

func (u *Cognito) tokens(ctx context.Context, app App, params url.Values) (Tokens, error) {
	body, err := u.ask(ctx, u.config.TokenEndpoint, app, params)
	if err != nil {
		return Tokens{}, err
	}
	t, err := parseTokens(body, app)
	if err != nil {
		return Tokens{}, &Unavailable{defaultRetry, err}
	}
	return t, nil
}

// ask returns the body of a successful answer.
func (u *Cognito) ask(ctx context.Context, address string, app App, params url.Values) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, u.config.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(params.Encode()))
	if err != nil {
		return nil, &Unavailable{defaultRetry, err}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	// Cognito documents base64 of id and secret as they are, without the form
	// encoding of RFC 6749 §2.3.1.
	req.SetBasicAuth(app.ID, app.Secret)
	start := time.Now()
	defer func() { telemetry.Called(ctx, telemetry.CognitoOAuth, time.Since(start), false) }()
	resp, err := u.http.Do(req)
	if err != nil {
		return nil, &Unavailable{defaultRetry, err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	if err != nil {
		return nil, &Unavailable{defaultRetry, fmt.Errorf("status %d, then: %w", resp.StatusCode, err)}
	}
	if len(body) > maxReply {
		return nil, &Unavailable{defaultRetry, fmt.Errorf("status %d and more than %d bytes", resp.StatusCode, maxReply)}
	}
	return body, refused(resp, body, params, app)
}

// refused returns the error of an answer that is not a success. Too many
// requests are no refusal: the quota is the user pool's.
func refused(resp *http.Response, body []byte, params url.Values, app App) error {
	switch {
	case resp.StatusCode == http.StatusOK:
		return nil
	case resp.StatusCode == http.StatusTooManyRequests:
		return &Unavailable{retryAfter(resp.Header), errors.New("status 429")}
	}
	o, ok := object(body)
	code := o.text("error")
	if !ok || resp.StatusCode < 400 || resp.StatusCode > 499 || !errorCode(code) {
		return &Unavailable{retryAfter(resp.Header), fmt.Errorf("status %d without an OAuth error", resp.StatusCode)}
	}
	return &Refused{code, describable(o.text("error_description"), params, app)}
}

// errorCode reports whether s can be one (RFC 6749 §5.2); all that exist are
// made of these.
func errorCode(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_") == ""
}

// describable returns the description if it is fit for a client and a log: in
// the characters of RFC 6749 §5.2, short, and repeating nothing secret.
func describable(s string, params url.Values, app App) string {
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

package relay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/oauthform"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

const (
	maxReply       = 256 << 10
	maxDescription = 300

	// maxRetry is the latest that a client is told to come back, whatever
	// Cognito says.
	maxRetry = time.Minute
)

// reply is what Cognito answered.
type reply struct {
	status     int
	retryAfter time.Duration
	body       []byte
}

// ask sends params to the address, one of Cognito's, in the name of the client, and
// returns the whole answer. Any error is an *httpapi.Error with status 503.
func (e *endpoint) ask(ctx context.Context, address string, c oauthform.Credentials, params url.Values) (reply, error) {
	rep, err := e.post(ctx, address, c, params)
	if err != nil {
		return reply{}, oauthform.Unavailable("Cognito did not answer", fmt.Errorf("ask cognito: %w", err))
	}
	return rep, nil
}

func (e *endpoint) post(ctx context.Context, address string, c oauthform.Credentials, params url.Values) (reply, error) {
	params = maps.Clone(params)
	if !c.Basic || c.Secret == "" {
		params.Set("client_id", c.ID)
		if c.Secret != "" {
			params.Set("client_secret", c.Secret)
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(params.Encode()))
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Content-Type", oauthform.MediaType)
	req.Header.Set("Accept", "application/json")
	if !params.Has("client_id") {
		// Cognito documents base64 of id and secret as they are, without the
		// form encoding of RFC 6749 §2.3.1.
		req.SetBasicAuth(c.ID, c.Secret)
	}
	start := time.Now()
	defer func() { telemetry.Called(ctx, telemetry.CognitoOAuth, time.Since(start), false) }()
	resp, err := e.http.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	if err != nil {
		return reply{}, fmt.Errorf("status %d, then: %w", resp.StatusCode, err)
	}
	if len(body) > maxReply {
		return reply{}, fmt.Errorf("status %d and more than %d bytes", resp.StatusCode, maxReply)
	}
	return reply{resp.StatusCode, retryAfter(resp.Header), body}, nil
}

// retryAfter reads the Retry-After header in its form of seconds (RFC 9110
// §10.2.3).
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 1 {
		return oauthform.DefaultRetry
	}
	return min(time.Duration(min(seconds, 3600))*time.Second, maxRetry)
}

// refused returns the answer to the client if Cognito's is not a success. Codes
// that the RFCs know are kept, with status 400, apart from two:
//
//   - invalid_client has status 401 (RFC 6749 §5.2). Cognito says 400, on which
//     clients do not register again.
//   - unauthorized_client for a redirect URI other than that of the
//     authorization request is invalid_grant (RFC 6749 §5.2). MCP clients throw
//     their registration away on the former, which would be of no use.
//
// Too many requests become 503: the quota is the user pool's, and nothing that
// this client did or could leave undone.
func (rep reply) refused(c oauthform.Credentials, params url.Values) error {
	if rep.status == http.StatusOK {
		return nil
	}
	if rep.status == http.StatusTooManyRequests {
		e := oauthform.Unavailable("Cognito has too many requests", errors.New("cognito: status 429"))
		e.RetryAfter = rep.retryAfter
		return e
	}
	o, ok := object(rep.body)
	code, description := o.text("error"), o.text("error_description")
	if !ok || rep.status < 400 || rep.status > 499 {
		return oauthform.Unavailable("Cognito could not answer", fmt.Errorf("cognito: status %d", rep.status))
	}
	told := describable(description, params, c)
	switch code {
	case "invalid_client":
		if told == "" {
			told = "client authentication failed"
		}
		return c.Invalid(told)
	case "unauthorized_client":
		if params.Get("grant_type") == dcr.GrantAuthorizationCode && strings.HasPrefix(description, "invalid_redirect") {
			return oauthform.Refusal("invalid_grant", "redirect_uri is not the one of the authorization request")
		}
		return oauthform.Refusal(code, told)
	case "invalid_request", "invalid_grant", "unsupported_grant_type", "invalid_scope", "invalid_target", "unsupported_token_type":
		return oauthform.Refusal(code, told)
	}
	return oauthform.Unavailable("Cognito could not answer", fmt.Errorf("cognito: status %d with unknown error %s", rep.status, dcr.Quote(code)))
}

// describable returns the description if it is fit for a client and a log: in
// the characters of RFC 6749 §5.2, short, and repeating nothing secret.
func describable(s string, params url.Values, c oauthform.Credentials) string {
	if len(s) > maxDescription || !oauthform.Printable(s) || strings.ContainsAny(s, `"\`) {
		return ""
	}
	for _, secret := range []string{params.Get("code"), params.Get("code_verifier"), params.Get("refresh_token"), params.Get("token"), c.Secret} {
		if secret != "" && strings.Contains(s, secret) {
			return ""
		}
	}
	return s
}

// members are those of a JSON object, under their exact names.
type members map[string]json.RawMessage

func object(b []byte) (members, bool) {
	var o members
	err := json.Unmarshal(b, &o)
	return o, err == nil && o != nil
}

// text returns the member if it is a string, else "".
func (o members) text(name string) string {
	var s string
	if json.Unmarshal(o[name], &s) != nil {
		return ""
	}
	return s
}

package cognitoauth

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// This file classifies all errors of Cognito's OAuth endpoints. An error that
// Cognito answers with a code of RFC 6749 §5.2 is a *broker.UpstreamError with
// this code. All other errors are a *broker.UpstreamError without a code: no
// answer, an answer that is not OAuth, throttling. The callers decide what a code
// means: token.Issuer and relay.Relay for a client of the broker,
// authorization.Flow for a sign-in, grants.AppClients for the app client's
// secret. httpapi's answerFor chooses the status. Errors that Cognito sends
// through the browser to /callback do not pass here: authorization's publicCode
// maps them.

const (
	// defaultRetry is the RetryAfter of an error if Cognito sent no
	// Retry-After.
	defaultRetry = 2 * time.Second
	// maxRetry is the longest RetryAfter, even if Cognito sent a longer one.
	maxRetry = time.Minute
)

// noAnswer is the error for an answer that could not be read completely.
func noAnswer(cause error) error {
	return &broker.UpstreamError{Description: "Cognito did not answer", RetryAfter: defaultRetry, Cause: cause}
}

// badAnswer is the error for an answer that does not fit an OAuth endpoint.
func badAnswer(cause error) error {
	return &broker.UpstreamError{Description: "Cognito could not answer", RetryAfter: defaultRetry, Cause: cause}
}

// responseError returns the error of a response whose status is not 200. Status
// 429 is not a refusal of the request: the quota belongs to the user pool, and
// the client cannot keep it.
func responseError(resp *http.Response, body []byte, params url.Values, secret string) error {
	switch {
	case resp.StatusCode == http.StatusOK:
		return nil
	case resp.StatusCode == http.StatusTooManyRequests:
		return &broker.UpstreamError{Description: "Cognito has too many requests", RetryAfter: retryAfter(resp.Header), Cause: errors.New("status 429")}
	}
	o, ok := object(body)
	code := o.text("error")
	if !ok || resp.StatusCode < 400 || resp.StatusCode > 499 || !isErrorCode(code) {
		return &broker.UpstreamError{
			Description: "Cognito could not answer", RetryAfter: retryAfter(resp.Header),
			Cause: fmt.Errorf("status %d without an OAuth error", resp.StatusCode),
		}
	}
	description := o.text("error_description")
	return &broker.UpstreamError{
		Code: code, Description: safeDescription(description, params, secret),
		WrongRedirect: code == string(broker.UnauthorizedClient) && strings.HasPrefix(description, "invalid_redirect"),
	}
}

// isErrorCode reports whether s looks like an error code. RFC 6749 §5.2 allows
// more characters, but all registered codes consist of these.
func isErrorCode(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_") == ""
}

// safeDescription returns s if a client and a log may contain it, and otherwise
// "": broker.PublicDescription allows it, and it contains none of the secrets in
// the request.
func safeDescription(s string, params url.Values, secret string) string {
	for _, hidden := range []string{params.Get("code"), params.Get("code_verifier"), params.Get("refresh_token"), params.Get("token"), secret} {
		if hidden != "" && strings.Contains(s, hidden) {
			return ""
		}
	}
	return broker.PublicDescription(s)
}

// retryAfter returns the Retry-After header if it is a number of seconds (RFC
// 9110 §10.2.3), at most maxRetry, and otherwise defaultRetry.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 1 {
		return defaultRetry
	}
	return min(time.Duration(min(seconds, 3600))*time.Second, maxRetry)
}

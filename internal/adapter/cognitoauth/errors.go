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
// this code. Everything else is one without a code: no answer, an answer that is
// not OAuth, throttling. What a code means for a client of the broker is decided
// by the use cases, token.Issuer and direct.Relay; httpapi's answerFor gives the
// result its status.

const (
	// defaultRetry is when a client may try again if Cognito does not say it.
	// maxRetry is the maximum, whatever Cognito says.
	defaultRetry = 2 * time.Second
	maxRetry     = time.Minute
)

// noAnswer is the error if Cognito's answer could not be read completely.
func noAnswer(cause error) error {
	return &broker.UpstreamError{Description: "Cognito did not answer", RetryAfter: defaultRetry, Cause: cause}
}

// badAnswer is the error if Cognito's answer is not one of an OAuth endpoint.
func badAnswer(cause error) error {
	return &broker.UpstreamError{Description: "Cognito could not answer", RetryAfter: defaultRetry, Cause: cause}
}

// refused returns the error of an answer that is not a success. Too many
// requests are no refusal: the quota belongs to the user pool, and the client
// cannot keep it.
func refused(resp *http.Response, body []byte, params url.Values, secret string) error {
	switch {
	case resp.StatusCode == http.StatusOK:
		return nil
	case resp.StatusCode == http.StatusTooManyRequests:
		return &broker.UpstreamError{Description: "Cognito has too many requests", RetryAfter: retryAfter(resp.Header), Cause: errors.New("status 429")}
	}
	o, ok := object(body)
	code := o.text("error")
	if !ok || resp.StatusCode < 400 || resp.StatusCode > 499 || !errorCode(code) {
		return &broker.UpstreamError{
			Description: "Cognito could not answer", RetryAfter: retryAfter(resp.Header),
			Cause: fmt.Errorf("status %d without an OAuth error", resp.StatusCode),
		}
	}
	return &broker.UpstreamError{Code: code, Description: describable(o.text("error_description"), params, secret)}
}

// errorCode reports whether s can be an error code (RFC 6749 §5.2). All registered
// codes have only these characters.
func errorCode(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_") == ""
}

// describable returns the description if a client and a log may have it: it has
// only the characters of RFC 6749 §5.2, is short and repeats no secret of the
// request. Otherwise it returns "".
func describable(s string, params url.Values, secret string) string {
	if len(s) > 300 || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
		return ""
	}
	for _, hidden := range []string{params.Get("code"), params.Get("code_verifier"), params.Get("refresh_token"), params.Get("token"), secret} {
		if hidden != "" && strings.Contains(s, hidden) {
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

package oauthform

import (
	"net/http"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/httpapi"
)

// DefaultRetry is when a client is told to come back if nobody knows better.
const DefaultRetry = 2 * time.Second

// Refusal is an answer with status 400 (RFC 6749 §5.2).
func Refusal(code, description string) *httpapi.Error {
	return &httpapi.Error{Status: http.StatusBadRequest, Code: code, Description: description}
}

// InvalidRequest is a Refusal of a request that is malformed.
func InvalidRequest(description string) *httpapi.Error {
	return Refusal("invalid_request", description)
}

// Unavailable is an answer with status 503. The cause is logged and not sent.
func Unavailable(description string, cause error) *httpapi.Error {
	return &httpapi.Error{
		Status:      http.StatusServiceUnavailable,
		Code:        "temporarily_unavailable",
		Description: description + ", try again",
		RetryAfter:  DefaultRetry,
		Cause:       cause,
	}
}

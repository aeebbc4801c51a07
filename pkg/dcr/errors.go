package dcr

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Code is the reason of a refusal. The first group are the error codes of
// RFC 7591 §3.2.2 and RFC 6750 §3.1; the second group has no code there. The
// HTTP layer maps every Code to a status and an error code in one place.
type Code string

const (
	InvalidRedirectURI          Code = "invalid_redirect_uri"
	InvalidClientMetadata       Code = "invalid_client_metadata"
	InvalidSoftwareStatement    Code = "invalid_software_statement"
	UnapprovedSoftwareStatement Code = "unapproved_software_statement"
	InvalidRequest              Code = "invalid_request"
	InvalidToken                Code = "invalid_token"      // the token is unknown, expired or revoked
	InsufficientScope           Code = "insufficient_scope" // the token is valid and does not allow this

	// TokenRequired: the request has no token and needs one. A challenge to such
	// a request carries no error code (RFC 6750 §3.1).
	TokenRequired Code = "token_required"
	// PayloadTooLarge: the body is longer than MaxBody.
	PayloadTooLarge Code = "payload_too_large"
	// TooManyRequests: this client, or all clients together, send too many
	// requests.
	TooManyRequests Code = "too_many_requests"
	// Unavailable: a service that the broker depends on throttles, is full or is
	// down.
	Unavailable Code = "temporarily_unavailable"
)

// maxDescription is the maximum length of a Description, in characters.
const maxDescription = 300

// Error is a refusal that may be shown to the client that caused it (RFC 7591
// §3.2.2). Every other error type is an internal error and must not reach a
// client.
type Error struct {
	// Code becomes the member error of the response. REQUIRED.
	Code Code
	// Description becomes error_description, a text for developers. OPTIONAL. It
	// names the field and the allowed values. Errorf limits it to 300 of the
	// characters that RFC 6749 §5.2 allows: printable ASCII without double quote
	// and backslash.
	Description string
	// RetryAfter is the time after which the same request may succeed, for
	// TooManyRequests and Unavailable. It becomes the header Retry-After; 0
	// leaves the header out.
	RetryAfter time.Duration
}

// Errorf returns an Error whose description is safe to send with any args. A
// description has only printable ASCII without double quote and backslash (RFC
// 6749 §5.2): double quotes become single ones, other characters become
// question marks, and a text over 300 characters is cut. Text from a client
// should be passed through Quote, which also limits its length.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Description: printable(fmt.Sprintf(format, args...), maxDescription)}
}

// Error returns the code and the description.
func (e *Error) Error() string {
	if e.Description == "" {
		return string(e.Code)
	}
	return string(e.Code) + ": " + e.Description
}

// Quote returns at most 64 characters of s in single quotes, for use in an
// error description.
func Quote(s string) string {
	return "'" + strings.ReplaceAll(printable(s, 64), "'", "?") + "'"
}

// printable returns s in the characters of RFC 6749 §5.2, cut to at most limit
// characters.
func printable(s string, limit int) string {
	const ellipsis = "..."
	var b strings.Builder
	for _, r := range s {
		if b.Len() == limit {
			return b.String()[:limit-len(ellipsis)] + ellipsis
		}
		switch {
		case r == '"':
			b.WriteByte('\'')
		case r < 0x20 || r > 0x7e || r == '\\':
			b.WriteByte('?')
		default:
			b.WriteByte(byte(r))
		}
	}
	return b.String()
}

// redirectError adds the index of the redirect URI to err.
func redirectError(i int, err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		return Errorf(e.Code, "redirect_uris[%d]: %s", i, e.Description)
	}
	return err
}

package dcr

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Code says why a request was refused. The first group are the wire codes of RFC 7591 section 3.2.2 and RFC 6750
// section 3.1; the others have no wire code of their own there. The HTTP layer maps every Code to a status and a wire
// code in one place.
type Code string

const (
	InvalidRedirectURI          Code = "invalid_redirect_uri"
	InvalidClientMetadata       Code = "invalid_client_metadata"
	InvalidSoftwareStatement    Code = "invalid_software_statement"
	UnapprovedSoftwareStatement Code = "unapproved_software_statement"
	InvalidRequest              Code = "invalid_request"
	InvalidToken                Code = "invalid_token"      // a token was sent and is no good
	InsufficientScope           Code = "insufficient_scope" // the token is good and does not allow this

	// TokenRequired: no token was sent where one is needed. The challenge then carries no error code
	// (RFC 6750 section 3.1).
	TokenRequired Code = "token_required"
	// PayloadTooLarge: the body is longer than MaxBody.
	PayloadTooLarge Code = "payload_too_large"
	// TooManyRequests: this caller, or everyone, has to slow down.
	TooManyRequests Code = "too_many_requests"
	// Unavailable: something the broker depends on is throttled, full or down.
	Unavailable Code = "temporarily_unavailable"
)

// maxDescription is the most characters a Description has.
const maxDescription = 300

// Error is a refusal that may be shown to the client that caused it. Every other error type is an internal error and
// must not reach a client.
type Error struct {
	Code Code
	// Description is for a developer to read: it names the field and says what is allowed. Errorf keeps it within
	// the characters of RFC 6749 section 5.2 (printable ASCII without double quote and backslash) and 300 of them.
	Description string
	// RetryAfter is when the same request may succeed, for TooManyRequests and Unavailable; 0 says nothing.
	RetryAfter time.Duration
}

// Errorf returns an Error whose description may be sent as it is, whatever args contain: double quotes become single
// ones, any other character that RFC 6749 section 5.2 does not allow becomes a question mark, and a text over 300
// characters is cut. Text that a client sent should be passed through Quote, which also bounds it.
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

// Quote returns at most 64 characters of s in single quotes, for use in an error description.
func Quote(s string) string {
	return "'" + strings.ReplaceAll(printable(s, 64), "'", "?") + "'"
}

// printable returns s in the characters of RFC 6749 section 5.2, cut to at most limit characters.
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

// redirectError says which of the redirect URIs err is about.
func redirectError(i int, err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		return Errorf(e.Code, "redirect_uris[%d]: %s", i, e.Description)
	}
	return err
}

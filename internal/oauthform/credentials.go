package oauthform

import (
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/dcr-broker/dcr-broker/internal/httpapi"
)

// Credentials are what a client said of who it is (RFC 6749 §2.3). They print as
// "[redacted]".
type Credentials struct {
	ID     string
	Secret string // "" if none was sent
	Basic  bool   // they came in the Authorization header
}

// String implements fmt.Stringer.
func (Credentials) String() string { return redacted }

// LogValue implements slog.LogValuer.
func (Credentials) LogValue() slog.Value { return slog.StringValue(redacted) }

// Authenticate finds the credentials in a request: in the Authorization header,
// in the body, or an id alone. An empty secret is none (RFC 6749 §2.3.1), also
// in the header, where some clients without one send it. Whether the secret is
// right is left to the caller. The error is an *httpapi.Error.
func Authenticate(r *http.Request, f Form) (Credentials, error) {
	headers := r.Header.Values("Authorization")
	c := Credentials{ID: f.Value("client_id"), Secret: f.Value("client_secret"), Basic: len(headers) > 0}
	assertion := f.Value("client_assertion") != ""
	methods := len(headers)
	if c.Secret != "" {
		methods++
	}
	if assertion {
		methods++
	}
	if methods > 1 {
		return c, InvalidRequest("a client must use one method of authentication and not several (RFC 6749 section 2.3)")
	}
	if assertion {
		return c, c.Invalid("client assertions are not supported; use client_secret_basic, client_secret_post or none")
	}
	if c.Basic {
		id, secret, ok := parseBasic(headers[0])
		if !ok {
			return c, c.Invalid("the Authorization header must be Basic with the base64 form of client_id:client_secret")
		}
		if c.ID != "" && c.ID != id {
			return c, InvalidRequest("client_id in the body is not the one in the Authorization header")
		}
		c.ID, c.Secret = id, secret
	}
	if c.ID == "" {
		return c, c.Invalid("the client must say who it is: client_id in the body, or an Authorization header")
	}
	return c, nil
}

// Invalid is the answer to a client that is not who it says. It is what makes
// MCP clients register anew. The challenge is for those that used the scheme
// (RFC 6749 §5.2): a browser would ask the user for a password.
func (c Credentials) Invalid(description string) *httpapi.Error {
	e := &httpapi.Error{Status: http.StatusUnauthorized, Code: "invalid_client", Description: description}
	if c.Basic {
		e.Challenge = `Basic realm="token", charset="UTF-8"`
	}
	return e
}

// parseBasic reads an Authorization header of the scheme Basic (RFC 7617). The
// id is not empty, and both are printable ASCII.
func parseBasic(header string) (id, secret string, ok bool) {
	scheme, encoded, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return "", "", false
	}
	raw, err := base64.StdEncoding.DecodeString(strings.Trim(encoded, " "))
	if err != nil {
		return "", "", false
	}
	rawID, rawSecret, ok := strings.Cut(string(raw), ":")
	if !ok {
		return "", "", false
	}
	id, ok = unescape(rawID)
	if !ok || id == "" {
		return "", "", false
	}
	secret, ok = unescape(rawSecret)
	return id, secret, ok
}

// unescape undoes the form encoding that RFC 6749 §2.3.1 asks for and that many
// clients leave out, the MCP TypeScript SDK among them. No id and no secret of
// Cognito's or ours has characters other than letters, digits, "_" and "+". So a
// "%" is there only if the value was encoded; and a "+" stands for itself, as it
// would be a space only if it was encoded, and there is none to encode.
func unescape(s string) (string, bool) {
	s, err := url.PathUnescape(s)
	return s, err == nil && Printable(s)
}

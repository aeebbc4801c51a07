package relay

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// credentials are what a client said of who it is (RFC 6749 §2.3).
type credentials struct {
	id     string
	secret string // "" if none was sent
	basic  bool   // they came in the Authorization header
}

// authenticate finds the credentials in a request: in the Authorization header,
// in the body, or an id alone. An empty secret is none (RFC 6749 §2.3.1), also
// in the header, where some clients without one send it.
func authenticate(r *http.Request, f form) (credentials, error) {
	headers := r.Header.Values("Authorization")
	c := credentials{id: f.value("client_id"), secret: f.value("client_secret"), basic: len(headers) > 0}
	assertion := f.value("client_assertion") != ""
	methods := len(headers)
	if c.secret != "" {
		methods++
	}
	if assertion {
		methods++
	}
	if methods > 1 {
		return c, invalidRequest("a client must use one method of authentication and not several (RFC 6749 section 2.3)")
	}
	if assertion {
		return c, c.invalid("client assertions are not supported; use client_secret_basic, client_secret_post or none")
	}
	if c.basic {
		id, secret, ok := parseBasic(headers[0])
		if !ok {
			return c, c.invalid("the Authorization header must be Basic with the base64 form of client_id:client_secret")
		}
		if c.id != "" && c.id != id {
			return c, invalidRequest("client_id in the body is not the one in the Authorization header")
		}
		c.id, c.secret = id, secret
	}
	if c.id == "" {
		return c, c.invalid("the client must say who it is: client_id in the body, or an Authorization header")
	}
	return c, nil
}

// invalid is the answer to a client that is not who it says. It is what makes
// MCP clients register anew. The challenge is for those that used the scheme
// (RFC 6749 §5.2): a browser would ask the user for a password.
func (c credentials) invalid(description string) *httpapi.Error {
	e := &httpapi.Error{Status: http.StatusUnauthorized, Code: "invalid_client", Description: description}
	if c.basic {
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
// Cognito's has characters other than letters, digits, "_" and "+". So a "%"
// is there only if the value was encoded; and a "+" stands for itself, as it
// would be a space only if it was encoded, and there is none to encode.
func unescape(s string) (string, bool) {
	s, err := url.PathUnescape(s)
	return s, err == nil && printable(s)
}

// client returns the registration of the client that sent c, if it may be used
// and its way of authentication suits it. Whether the secret is right is left
// to Cognito.
//
// A client with a secret may send it either way, whichever it registered:
// Cognito takes both, and clients that got a substitute for what they asked for
// do not always notice.
func (e *endpoint) client(r *http.Request, c credentials) (*broker.Registration, error) {
	reg, err := e.clients.Client(r.Context(), c.id)
	if errors.Is(err, broker.ErrNotFound) {
		return nil, c.invalid("the client is not registered, or not any more; register again")
	}
	if err != nil {
		return nil, unavailable("the registration could not be read", fmt.Errorf("look up client: %w", err))
	}
	public := reg.Metadata.TokenEndpointAuthMethod == dcr.AuthNone
	if public && c.secret != "" {
		return nil, c.invalid("the client is registered with the method none and must not send a secret")
	}
	if !public && c.secret == "" {
		return nil, c.invalid("the client must authenticate with its secret")
	}
	return reg, nil
}

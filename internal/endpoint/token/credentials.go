package token

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// credentials returns the credentials of a request, which are in the
// Authorization header or in the body, or are an id alone. RFC 6749 §2.3.1: a
// client with an empty secret may leave it out, so an empty secret counts as
// none, also in the header, where some clients without a secret send it. The
// error is a *broker.Refusal; the credentials are then incomplete.
func credentials(r *http.Request, f httpapi.Form) (clients.Credentials, error) {
	headers := r.Header.Values("Authorization")
	c := clients.Credentials{ID: f.Value("client_id"), Secret: f.Value("client_secret"), Basic: len(headers) > 0}
	assertion := f.Value("client_assertion") != ""
	methods := len(headers)
	if c.Secret != "" {
		methods++
	}
	if assertion {
		methods++
	}
	if methods > 1 {
		return c, broker.Refuse(dcr.InvalidRequest, "a client must use one method of authentication and not several (RFC 6749 section 2.3)")
	}
	if assertion {
		return c, broker.Refuse(broker.InvalidClient, "client assertions are not supported; use client_secret_basic, client_secret_post or none")
	}
	if c.Basic {
		id, secret, ok := parseBasic(headers[0])
		if !ok {
			return c, broker.Refuse(broker.InvalidClient, "the Authorization header must be Basic with the base64 form of client_id:client_secret")
		}
		if c.ID != "" && c.ID != id {
			return c, broker.Refuse(dcr.InvalidRequest, "client_id in the body is not the one in the Authorization header")
		}
		c.ID, c.Secret = id, secret
	}
	if c.ID == "" {
		return c, broker.Refuse(broker.InvalidClient, "client authentication is missing: send client_id in the body, or an Authorization header")
	}
	return c, nil
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

// unescape decodes the form encoding of an id or a secret. RFC 6749 §2.3.1
// requires this encoding, but many clients leave it out, among them the MCP
// TypeScript SDK. The ids and secrets that Cognito and the broker make have
// only letters, digits, "_" and "+". So a "%" occurs only in an encoded value,
// and a "+" stands for itself: it could mean a space only if a value had a
// space. An operator who chooses the secret of an introspection client chooses
// one without "%", or its server encodes it.
func unescape(s string) (string, bool) {
	s, err := url.PathUnescape(s)
	return s, err == nil && broker.Printable(s)
}

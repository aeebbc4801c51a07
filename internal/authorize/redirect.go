package authorize

import (
	"net/url"
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// matchRedirectURI returns the redirect URI of a request if it is one of the
// registered: the same character by character, except that the port of a
// loopback URI is not compared, since a native client has the one that it gets
// (RFC 8252 §7.3). localhost, 127.0.0.1 and [::1] each stand for themselves.
func matchRedirectURI(sent string, registered []string) (dcr.RedirectURI, bool) {
	u, err := dcr.ParseRedirectURI(sent)
	if err != nil {
		return dcr.RedirectURI{}, false
	}
	if slices.Contains(registered, sent) {
		return u, true
	}
	if u.Kind != dcr.Loopback {
		return dcr.RedirectURI{}, false
	}
	for _, raw := range registered {
		have, err := dcr.ParseRedirectURI(raw)
		if err == nil && have.Kind == dcr.Loopback && have.Host == u.Host && have.Path == u.Path &&
			have.Query == u.Query && strings.Contains(raw, "?") == strings.Contains(sent, "?") {
			return u, true
		}
	}
	return dcr.RedirectURI{}, false
}

// respond returns the redirect URI with what the client is told: params, its
// state, and who says so (RFC 6749 §4.1.2, RFC 9207 §2). Whatever query the
// redirect URI has stays as it is.
func respond(redirectURI, issuer, state string, params url.Values) string {
	params.Set("iss", issuer)
	if state != "" {
		params.Set("state", state)
	}
	sep := "?"
	if strings.Contains(redirectURI, "?") {
		sep = "&"
	}
	return redirectURI + sep + params.Encode()
}

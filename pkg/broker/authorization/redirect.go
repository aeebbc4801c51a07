package authorization

import (
	"net/url"
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// This file parses redirect URIs. Each request of the browser reads the
// transaction and the registration from the store, where a URI is text, so each
// request parses a URI again, but at most once: the parsed URI is handed on.

// storedRedirect returns the redirect URI of t for a request that does not read
// the registration.
func storedRedirect(t *broker.Transaction) (dcr.RedirectURI, error) {
	return dcr.ParseRedirectURI(t.RedirectURI)
}

// matchRedirectURI returns the redirect URI of a request if the client
// registered it.
func matchRedirectURI(sent string, registered []string) (dcr.RedirectURI, bool) {
	u, err := dcr.ParseRedirectURI(sent)
	if err != nil {
		return dcr.RedirectURI{}, false
	}
	// RFC 9700 §2.1: redirect URIs are compared by exact string matching.
	if slices.Contains(registered, sent) {
		return u, true
	}
	// RFC 8252 §7.3: a native client may use any port of a loopback URI, because
	// it learns its port at run time. localhost, 127.0.0.1 and [::1] are
	// different hosts.
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

// respond returns the redirect URI with params, the client's state and our
// issuer. The query of the redirect URI is retained (RFC 6749 §3.1.2). state is
// REQUIRED if the client sent one (RFC 6749 §4.1.2). iss names the server that
// sends the response, which defends clients against mix-up (RFC 9207 §2).
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

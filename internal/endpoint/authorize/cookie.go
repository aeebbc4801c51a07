package authorize

import (
	"net/http"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/authorization"
)

// cookies reads and sets the cookie with the secret of the transaction. The
// prefix __Host- keeps other hosts of the domain from setting it (RFC 6265bis
// §4.1.3.2). The prefix requires the attribute Secure, which a browser does not
// accept from the http loopback issuer of development.
type cookies struct{ secure bool }

func newCookies(issuer string) cookies { return cookies{strings.HasPrefix(issuer, "https://")} }

func (c cookies) name() string {
	if c.secure {
		return "__Host-dcr_tx"
	}
	return "dcr_tx"
}

// read returns the secret of the browser, or the zero Secret if the request has
// no such cookie or more than one.
func (c cookies) read(r *http.Request) authorization.Secret {
	found := r.CookiesNamed(c.name())
	if len(found) != 1 {
		return authorization.Secret{}
	}
	return authorization.ParseSecret(found[0].Value)
}

// set gives the browser a secret. The cookie is SameSite=Lax, because the browser
// comes back from Cognito, which is another site.
func (c cookies) set(w http.ResponseWriter, s authorization.Secret) {
	c.write(w, s.Reveal(), int(broker.TransactionLifetime/time.Second))
}

func (c cookies) clear(w http.ResponseWriter) { c.write(w, "", -1) }

func (c cookies) write(w http.ResponseWriter, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: c.name(), Value: value, Path: "/", MaxAge: maxAge,
		Secure: c.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

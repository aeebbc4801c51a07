package wire

import (
	"net/http"

	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/internal/relay"
)

// TokenRoutes adds the token endpoint (RFC 6749 §3.2) and the revocation
// endpoint (RFC 7009) to rt.
func TokenRoutes(rt *httpapi.Router, c *environment.Config, clients relay.Clients) {
	rc := relay.Config{
		Clients:            clients,
		TokenEndpoint:      c.CognitoBackChannel + "/oauth2/token",
		RevocationEndpoint: c.CognitoBackChannel + "/oauth2/revoke",
		ForwardResource:    c.ForwardResource,
	}
	rt.Handle(http.MethodPost, "/token", relay.Token(rc))
	rt.Handle(http.MethodPost, "/revoke", relay.Revoke(rc))
}

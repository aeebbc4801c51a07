package register

import (
	"net/http"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// bearer returns the request's bearer token (RFC 6750 §2.1), or the zero Token
// if the request has no Authorization header. Any other Authorization header
// is an invalid token: the client meant to authenticate, so the request must
// not be treated as an anonymous one.
func bearer(r *http.Request) (credential.Token, error) {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return credential.Token{}, nil
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	token = strings.Trim(token, " ")
	if len(values) > 1 || !ok || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return credential.Token{}, dcr.Errorf(dcr.InvalidToken, "the Authorization header must be one Bearer token")
	}
	return credential.Presented(token), nil
}

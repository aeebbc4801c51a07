package authorize

import (
	"net/http"

	"github.com/dcr-broker/dcr-broker/pkg/broker/authorization"
)

// authorize is GET /authorize (RFC 6749 §3.1): it redirects to the sign-in at
// Cognito. The browser keeps the cookies of its other transactions.
func (e *Endpoint) authorize(w http.ResponseWriter, r *http.Request) {
	p, wrong := parseParameters(r.URL.RawQuery)
	if wrong != "" {
		e.showProblem(w, r, badRequest(wrong, nil))
		return
	}
	started, err := e.flow.Begin(r.Context(), p.authorizationRequest())
	if err != nil {
		e.fail(w, r, err)
		return
	}
	j := e.cookies.of(r)
	j.add(started.Secret)
	j.write(w)
	redirect(w, started.SignInURL)
}

func badRequest(detail string, cause error) *authorization.Problem {
	return &authorization.Problem{Kind: authorization.BadRequest, Detail: detail, Cause: cause}
}

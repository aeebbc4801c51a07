package samplemcp

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/auth"
)

// guard lets requests with a good token through to the MCP endpoint and
// challenges all others. The SDK's own middleware sends challenges without an
// error code and bodies in plain text, so it comes after this one and only hands
// the token's claims to the tools.
func (s *resource) guard(w http.ResponseWriter, r *http.Request) {
	token, sent := bearer(r)
	if !sent {
		// No error code: the client may not have known that a token is needed
		// (RFC 6750 section 3.1).
		s.challenge(w, http.StatusUnauthorized, "", "this needs an access token")
		return
	}
	info, err := s.verify(r.Context(), token)
	if bad, ok := errors.AsType[*badToken](err); ok {
		s.log.InfoContext(r.Context(), "token refused", "reason", bad.Error())
		s.challenge(w, http.StatusUnauthorized, "invalid_token", bad.description)
		return
	}
	if err != nil {
		// Not the token's fault; a 401 would make the client throw it away.
		s.log.ErrorContext(r.Context(), "token not checked", "error", err)
		w.Header().Set("Retry-After", "5")
		writeError(w, http.StatusServiceUnavailable, "temporarily_unavailable", "the keys to check the token with cannot be had at the moment")
		return
	}
	for _, scope := range s.scopes {
		if !slices.Contains(info.Scopes, scope) {
			s.log.InfoContext(r.Context(), "token refused", "reason", "scope", "missing", scope)
			s.challenge(w, http.StatusForbidden, "insufficient_scope", "this needs the scope "+strings.Join(s.scopes, " "))
			return
		}
	}
	s.endpoint.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), verifiedKey{}, info)))
}

// bearer returns the token in the Authorization header, and whether there was an
// attempt to send one. A header that is malformed gives a token that no verifier
// accepts.
func bearer(r *http.Request) (token string, sent bool) {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return "", false
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	if len(values) > 1 {
		return "", true
	}
	return strings.Trim(token, " "), true
}

// challenge answers with WWW-Authenticate (RFC 6750 section 3, RFC 9728 section
// 5.1). Everything in it is known to be quotable.
func (s *resource) challenge(w http.ResponseWriter, status int, code, description string) {
	params := []string{`resource_metadata="` + s.metadataURL + `"`, `scope="` + strings.Join(s.scopes, " ") + `"`}
	if code != "" {
		params = append([]string{`error="` + code + `"`, `error_description="` + description + `"`}, params...)
	} else {
		code = "invalid_token" // the body has to say something
	}
	w.Header().Set("WWW-Authenticate", "Bearer "+strings.Join(params, ", "))
	writeError(w, status, code, description)
}

type verifiedKey struct{}

// alreadyVerified is the verifier of the SDK's middleware. It returns what guard
// found.
func alreadyVerified(ctx context.Context, _ string, _ *http.Request) (*auth.TokenInfo, error) {
	info, ok := ctx.Value(verifiedKey{}).(*auth.TokenInfo)
	if !ok {
		return nil, auth.ErrInvalidToken
	}
	return info, nil
}

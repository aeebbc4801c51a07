package token_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// as sends the form and authenticates as c.
func (s *stack) as(c client, path, form string) answer {
	s.T.Helper()
	header, params := c.authentication()
	return s.post(path, header, form+params)
}

func (s *stack) post(path, authorization, form string) answer {
	s.T.Helper()
	r := httptest.NewRequestWithContext(s.T.Context(), http.MethodPost, path, strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	rec := httptest.NewRecorder()
	s.handler.ServeHTTP(rec, r)
	return s.check(rec.Result(), rec.Body.Bytes())
}

// check checks what every answer has in common.
func (s *stack) check(resp *http.Response, raw []byte) answer {
	s.T.Helper()
	a := answer{t: s.T, status: resp.StatusCode, header: resp.Header, raw: string(raw)}
	for name, want := range map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store", "Access-Control-Allow-Origin": "*"} {
		if got := a.header.Get(name); got != want {
			s.T.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if err := json.Unmarshal(raw, &a.body); err != nil || a.body == nil {
		s.T.Fatalf("answer is not a JSON object: %v\n%s", err, raw)
	}
	for name, v := range a.body {
		if v == nil || v == "" {
			s.T.Errorf("member %s is %#v, want it left out", name, v)
		}
	}
	if a.status == http.StatusInternalServerError {
		s.T.Errorf("status 500: %s\n%s", raw, s.log)
	}
	if got := a.header.Get("Retry-After") != ""; got != (a.status == 503) {
		s.T.Errorf("status %d has Retry-After %q", a.status, a.header.Get("Retry-After"))
	}
	s.mu.Lock()
	for _, secret := range s.inner {
		if strings.Contains(a.raw, secret) {
			s.T.Errorf("the answer has a secret: %s", a.raw)
		}
	}
	s.mu.Unlock()
	s.secret(a.text("access_token"), a.text("refresh_token"))
	return a
}

// forge makes a refresh token of the grant with keys that are not the broker's.
func (s *stack) forge(grantID string) string {
	s.T.Helper()
	ring := fake.Ring(s.T)
	return credential.NewRefreshToken(grantID, ring).Reveal()
}

type answer struct {
	t      testing.TB
	status int
	header http.Header
	body   map[string]any
	raw    string
}

func (a answer) text(name string) string {
	s, _ := a.body[name].(string)
	return s
}

func (a answer) number(name string) float64 {
	n, _ := a.body[name].(float64)
	return n
}

// want checks the status and the error code; "" means no error.
func (a answer) want(status int, code string) answer {
	a.t.Helper()
	if a.status != status || a.text("error") != code {
		a.t.Errorf("got %d %q, want %d %q: %s", a.status, a.text("error"), status, code, a.raw)
	}
	return a
}

// introspected returns the answer to the notes server when it introspects a
// token.
func (s *stack) introspected(token string) answer {
	s.T.Helper()
	return s.post("/introspect", basic(notesID, notesSecret), "token="+token).want(200, "")
}

func (s *stack) wantActive(token string, want bool) {
	s.T.Helper()
	if a := s.introspected(token); a.body["active"] != want {
		s.T.Errorf("introspection answers %s, want active %t", a.raw, want)
	}
}

// wantEnded checks that a grant has ended completely: its row, the remembered
// consent, and Cognito's tokens.
func (s *stack) wantEnded(id string) {
	s.T.Helper()
	g := s.Grant(id)
	if g.Unfinished() || len(g.Live) != 0 {
		s.T.Errorf("grant has ended at %v with %d live tokens, and has tokens of Cognito: %t; want it ended, without tokens", g.EndedAt, len(g.Live), g.Unfinished())
	}
	if _, err := s.Inner.Consent(s.T.Context(), g.ConsentKey); err != broker.ErrNotFound {
		s.T.Errorf("the remembered consent: %v, want it deleted", err)
	}
	for _, t := range s.cognitoTokens() {
		_, err := s.up.Refresh(s.T.Context(), s.app(shared), t)
		if refused, ok := errors.AsType[*broker.UpstreamError](err); !ok || refused.Code != "invalid_grant" {
			s.T.Errorf("refresh at Cognito: %v, want invalid_grant", err)
		}
	}
}

// wantStands checks that a grant is still valid.
func (s *stack) wantStands(id string) *broker.Grant {
	s.T.Helper()
	g := s.Grant(id)
	if !g.EndedAt.IsZero() || s.Tokens(g).RefreshToken == "" {
		s.T.Errorf("grant has ended at %v, want it valid", g.EndedAt)
	}
	if _, err := s.Inner.Consent(s.T.Context(), g.ConsentKey); err != nil {
		s.T.Errorf("the remembered consent: %v, want it stored", err)
	}
	return g
}

// cognitoTokens returns the refresh tokens that Cognito has issued.
func (s *stack) cognitoTokens() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, t := range s.inner {
		if strings.Count(t, ".") == 4 {
			out = append(out, t)
		}
	}
	return out
}

func (s *stack) app(key string) broker.AppCredentials { s.T.Helper(); return s.Credentials(key) }

func (s *stack) secret(secrets ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range secrets {
		if x != "" {
			s.secrets = append(s.secrets, x)
		}
	}
}

func (s *stack) innerSecret(secrets ...string) {
	s.secret(secrets...)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inner = append(s.inner, secrets...)
}

func (s *stack) checkLog() {
	text := s.log.String()
	for _, secret := range s.secrets {
		if strings.Contains(text, secret) {
			s.T.Errorf("the log has the secret %q:\n%s", secret, text)
		}
	}
	if strings.Contains(text, "alice") {
		s.T.Errorf("the log names the user:\n%s", text)
	}
}

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
}

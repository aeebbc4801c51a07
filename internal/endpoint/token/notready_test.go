package token_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
)

// While the keys cannot be read, the endpoints answer 503, and the answer does
// not contain the address of the keys.
func TestWithoutKeysTheEndpointsAre503(t *testing.T) {
	s := newStack(t)
	c := s.public()
	s.config.Keys = func(context.Context) (*seal.Ring, error) { return nil, errors.New("secretsmanager:keys: throttled") }
	s.serve()
	for path, a := range map[string]answer{
		"/token":      s.as(c, "/token", codeForm("x")),
		"/revoke":     s.as(c, "/revoke", "token=x"),
		"/introspect": s.post("/introspect", basic(notesID, notesSecret), "token=x"),
	} {
		a.want(503, "temporarily_unavailable")
		if got, description := a.header.Get("Retry-After"), a.text("error_description"); got != "10" || description != "the broker is not ready" {
			t.Errorf("%s: Retry-After %q, %q; want 10, the broker is not ready", path, got, description)
		}
		if strings.Contains(a.raw, "secretsmanager") {
			t.Errorf("%s: the answer has the address of the keys: %s", path, a.raw)
		}
	}
	if !strings.Contains(s.log.String(), "secretsmanager:keys: throttled") {
		t.Errorf("the log does not have the cause:\n%s", s.log)
	}
}

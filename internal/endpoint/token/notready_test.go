package token_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
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
	// What reads the keys logs the cause, once for many requests.
	if text := s.log.String(); strings.Contains(text, "throttled") || strings.Count(text, `"level":"WARN"`) != 3 {
		t.Errorf("want three warnings without the cause:\n%s", text)
	}
}

// Every token is given by the policy, so only a revocation needs no configuration.
// Nothing is used up.
func TestWithoutConfiguration(t *testing.T) {
	s := newStack(t)
	c := s.public()
	_, code := s.code(c)
	_, standing := s.authorized(c)
	s.ConfErr = errors.New("the cause")
	for name, a := range map[string]answer{
		"code":               s.as(c, "/token", codeForm(code)),
		"refresh":            s.as(c, "/token", refreshForm(standing.text("refresh_token"))),
		"client_credentials": s.as(s.machine(), "/token", machineForm),
		"introspection":      s.post("/introspect", basic(notesID, notesSecret), "token=x"),
	} {
		a.want(503, "temporarily_unavailable")
		if got := a.header.Get("Retry-After"); got != "10" || strings.Contains(a.raw, "the cause") {
			t.Errorf("%s: Retry-After %q, want 10, and the answer must not have the cause: %s", name, got, a.raw)
		}
	}
	// What reads the configuration logs the cause, once for many requests.
	if text := s.log.String(); strings.Contains(text, `"level":"ERROR"`) || strings.Count(text, `"level":"WARN"`) != 4 || strings.Contains(text, "the cause") {
		t.Errorf("want four warnings without the cause, and no error:\n%s", text)
	}
	s.as(c, "/revoke", "token="+standing.text("access_token")).want(200, "")
	s.ConfErr = nil
	first := s.as(c, "/token", codeForm(code)).want(200, "")
	s.as(c, "/token", refreshForm(first.text("refresh_token"))).want(200, "")
}

// A change of the configuration is in force at the next request.
func TestAChangedConfigurationIsInForceAtTheNextRequest(t *testing.T) {
	s := newStack(t)
	c, machine := s.public(), s.machine()
	_, a := s.authorized(c)
	introspect := func() answer {
		return s.post("/introspect", basic(notesID, notesSecret), "token="+a.text("access_token"))
	}
	if !introspect().want(200, "").body["active"].(bool) {
		t.Fatal("the token is not active")
	}
	s.as(machine, "/token", machineForm+"&resource="+notes).want(200, "")

	// The operator removes the resource with its introspection client. Nobody gets
	// a token for it any more, except by a grant that a user has given before: only
	// ending the grant ends that.
	before := s.Conf
	s.Conf.Resources, s.Conf.IntrospectionClients = s.Conf.Resources[1:], s.Conf.IntrospectionClients[1:]
	introspect().want(401, "invalid_client")
	s.as(machine, "/token", machineForm+"&resource="+notes).want(400, "invalid_target")
	a = s.as(c, "/token", refreshForm(a.text("refresh_token"))+"&resource="+notes).want(200, "")

	s.Conf = before
	s.Conf.IntrospectionClients = slices.Clone(before.IntrospectionClients)
	s.Conf.IntrospectionClients[0].SecretSHA256 = credential.Presented(mailSecret).Hash().String()
	introspect().want(401, "invalid_client")
	s.post("/introspect", basic(notesID, mailSecret), "token="+a.text("access_token")).want(200, "")
	s.Conf = before
	if !introspect().want(200, "").body["active"].(bool) {
		t.Error("the token is not active under the first configuration again")
	}
}

package token_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/token"
)

// stuck does not answer until the context ends.
type stuck struct{}

func (stuck) wait(ctx context.Context) error {
	<-ctx.Done()
	return &broker.UpstreamError{RetryAfter: 2 * time.Second, Cause: ctx.Err()}
}

func (s stuck) Refresh(ctx context.Context, _ broker.AppCredentials, _ string) (broker.Tokens, error) {
	return broker.Tokens{}, s.wait(ctx)
}

func (s stuck) ClientCredentials(ctx context.Context, _ broker.AppCredentials, _ []string) (broker.Tokens, error) {
	return broker.Tokens{}, s.wait(ctx)
}

func (s stuck) Revoke(ctx context.Context, _ broker.AppCredentials, _ string) error {
	return s.wait(ctx)
}

func (s stuck) Verify(ctx context.Context, _ string) (token.Claims, error) {
	return token.Claims{}, s.wait(ctx)
}

func (s stuck) Provision(ctx context.Context, _ string) error { return s.wait(ctx) }

// API Gateway ends a request after 30 s.
func TestRequestsEndWithin25Seconds(t *testing.T) {
	// A sign-in needs a network, which a synctest bubble does not have.
	outside := newStack(t)
	signedIn := outside.signIn()
	tests := []struct {
		name   string
		change func(s *stack)
		send   func(s *stack, c client, code string) answer
		status int
		code   string
	}{
		{"refresh, Cognito stuck", nil, func(s *stack, c client, code string) answer {
			return s.as(c, "/token", refreshForm(s.as(c, "/token", codeForm(code)).text("refresh_token")))
		}, 503, "temporarily_unavailable"},
		{"second use of a code, Cognito stuck", nil, func(s *stack, c client, code string) answer {
			s.as(c, "/token", codeForm(code)).want(200, "")
			return s.as(c, "/token", codeForm(code))
		}, 400, "invalid_grant"},
		{"revoke, Cognito stuck", nil, func(s *stack, c client, code string) answer {
			return s.as(c, "/revoke", "token="+s.as(c, "/token", codeForm(code)).text("refresh_token"))
		}, 503, "temporarily_unavailable"},
		{"revoke, keys stuck", nil, func(s *stack, c client, _ string) answer {
			return s.as(c, "/revoke", "token=a.b.c")
		}, 503, "temporarily_unavailable"},
		{"introspect, keys stuck", nil, func(s *stack, _ client, _ string) answer {
			return s.post("/introspect", basic(notesID, notesSecret), "token=a.b.c")
		}, 503, "temporarily_unavailable"},
		{"first token of a machine, provisioning stuck", nil, func(s *stack, _ client, _ string) answer {
			return s.as(s.machine(), "/token", machineForm)
		}, 503, "temporarily_unavailable"},
		{"code, store stuck", func(s *stack) {
			s.use(s.writing(stuck{}.wait), stuck{})
		}, func(s *stack, c client, code string) answer { return s.as(c, "/token", codeForm(code)) }, 503, "temporarily_unavailable"},
		{"code of an old registration, store stuck", func(s *stack) {
			s.use(s.writing(stuck{}.wait), stuck{})
		}, func(s *stack, c client, code string) answer {
			if err := s.Inner.DeleteRegistration(s.T.Context(), c.ClientID, c.Generation); err != nil {
				s.T.Fatal(err)
			}
			return s.as(s.register("none", func(r *broker.Registration) { r.ClientID = c.ClientID }), "/token", codeForm(code))
		}, 503, "temporarily_unavailable"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStackOn(t, emulator.Config{BaseURL: "http://cognito.invalid"})
				s.use(s.Store, stuck{})
				s.config.AccessTokens, s.config.Provisioner = stuck{}, stuck{}
				if tt.change != nil {
					tt.change(s)
				}
				s.serve()
				c := s.public()
				_, code := s.allow(c, signedIn)
				start := time.Now()
				tt.send(s, c, code).want(tt.status, tt.code)
				if took := time.Since(start); took == 0 || took > 25*time.Second {
					t.Errorf("took %v, want some time and at most 25 s", took)
				}
			})
		})
	}
}

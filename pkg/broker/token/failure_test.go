package token_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/token"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
	kit "github.com/dcr-broker/dcr-broker/test/world"
)

// A failure of the store is not blamed on Cognito.
func TestRefreshSaysWhoFailed(t *testing.T) {
	for name, tt := range map[string]struct {
		fail func(*world)
		want string
	}{
		"store": {func(w *world) { w.Store.FailNext("AppClient", 1, fake.NotApplied) }, "the app client could not be read"},
		"Cognito": {func(w *world) {
			w.AddAppClient(broker.SharedAppClientKey("open"), broker.KindShared, broker.AppCredentials{ID: "app", Secret: "s3cret"}, scope)
			w.fault = func(effect string) (bool, error) {
				if effect == "refresh at Cognito" {
					return false, &broker.UpstreamError{Cause: fake.ErrInjected}
				}
				return false, nil
			}
		}, "Cognito could not answer"},
	} {
		w := newWorld(t)
		i, c := w.issuer(), w.client(dcr.GrantAuthorizationCode, dcr.GrantRefreshToken)
		tokens := cognito{w}.tokens()
		tokens.RefreshToken, tokens.AppSecret = "cognito-refresh-token", ""
		_, code := w.AddGrant(w.Registration(c.ID), tokens, redirect)
		r := refreshRequest(c, w.ask(i, codeRequest(c, code)).RefreshToken)
		tt.fail(w)
		_, err := i.Token(t.Context(), r)
		kit.WantCode(t, name, err, dcr.Unavailable)
		if e, ok := errors.AsType[*dcr.Error](err); ok && !strings.Contains(e.Description, tt.want) {
			t.Errorf("%s fails: got %q, want %q", name, e.Description, tt.want)
		}
	}
}

// A grant that an operator ends while the client requests a token yields none.
func TestClientCredentialsWhileTheGrantIsEnded(t *testing.T) {
	w := newWorld(t)
	i := w.issuer()
	r := token.Request{Client: w.client(dcr.GrantClientCredentials), GrantType: dcr.GrantClientCredentials}
	w.fault = func(effect string) (bool, error) {
		if effect != "CreateGrant" {
			return false, nil
		}
		w.fault = nil
		w.ask(i, r)
		g, err := w.Inner.Grant(t.Context(), broker.GrantID(w.Keys, "client_credentials:own", 0))
		if err != nil {
			t.Fatal(err)
		}
		g.EndedAt = w.Now()
		if err := w.Inner.ReplaceGrant(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		return false, nil
	}
	_, err := i.Token(t.Context(), r)
	kit.WantCode(t, "Token", err, broker.UnauthorizedClient)
}

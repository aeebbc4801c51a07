package token_test

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/token"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
	kit "github.com/dcr-broker/dcr-broker/test/world"
)

// A code or a refresh token is used up only after Cognito has answered, and
// Cognito is called only to replace an old access token.
func TestOrderOfEffects(t *testing.T) {
	w := newWorld(t)
	i, c := w.issuer(), w.client(dcr.GrantAuthorizationCode, dcr.GrantRefreshToken)
	want := func(name string, want ...string) {
		t.Helper()
		if !slices.Equal(w.effects, want) {
			t.Errorf("%s: effects %q, want %q", name, w.effects, want)
		}
		w.effects = nil
	}
	_, code := w.grant(c)
	a := w.ask(i, codeRequest(c, code))
	want("code", "Grant", "Tokens", "ReplaceGrant")
	w.ask(i, refreshRequest(c, a.RefreshToken))
	want("refresh", "Grant", "Tokens", "refresh at Cognito", "ReplaceGrant")

	_, old := w.grant(c)
	w.Clock.Advance(4 * time.Minute) // the access token is good for an hour
	w.ask(i, codeRequest(c, old))
	want("code, access token is not old", "Grant", "Tokens", "ReplaceGrant")

	own := w.client(dcr.GrantClientCredentials)
	w.ask(i, token.Request{Client: own, GrantType: dcr.GrantClientCredentials})
	want("client credentials", "provision", "Grant", "CreateGrant", "token from Cognito")
}

// While Cognito does not answer, a refresh token stays valid, however often the
// client repeats the request.
func TestRefreshTokenIsNotUsedUpBeforeCognitoAnswers(t *testing.T) {
	w := newWorld(t)
	i, c := w.issuer(), w.client(dcr.GrantAuthorizationCode, dcr.GrantRefreshToken)
	_, code := w.grant(c)
	r := refreshRequest(c, w.ask(i, codeRequest(c, code)).RefreshToken)
	w.fault = func(effect string) (bool, error) {
		if effect == "refresh at Cognito" {
			return false, &broker.UpstreamError{RetryAfter: 7 * time.Second, Cause: fake.ErrInjected}
		}
		return false, nil
	}
	w.effects = nil
	for range 3 {
		_, err := i.Token(t.Context(), r)
		kit.WantCode(t, "Token", err, dcr.Unavailable)
		if e, ok := errors.AsType[*dcr.Error](err); ok && e.RetryAfter != 7*time.Second {
			t.Errorf("RetryAfter = %s, want Cognito's 7 s", e.RetryAfter)
		}
		w.Clock.Advance(2 * broker.ReuseWindow)
	}
	if slices.Contains(w.effects, "ReplaceGrant") {
		t.Errorf("effects %q, want the grant unchanged", w.effects)
	}
	w.fault = nil
	w.ask(i, r)
}

// If another request uses the token first, the verdict is computed again:
// within the reuse window the token yields a sibling, and both refresh tokens
// stay valid.
func TestVerdictIsComputedAgainAfterAConflict(t *testing.T) {
	w := newWorld(t)
	i, c := w.issuer(), w.client(dcr.GrantAuthorizationCode, dcr.GrantRefreshToken)
	g, code := w.grant(c)
	r := refreshRequest(c, w.ask(i, codeRequest(c, code)).RefreshToken)
	var other *token.Response
	w.fault = func(effect string) (bool, error) {
		if effect == "ReplaceGrant" {
			w.fault = nil
			other = w.ask(i, r)
		}
		return false, nil
	}
	a := w.ask(i, r)
	stored, err := w.Inner.Grant(t.Context(), g.ID)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"this": a.RefreshToken, "the other": other.RefreshToken} {
		if !slices.Contains(stored.Live, credential.Presented(text).Hash()) {
			t.Errorf("the refresh token of %s request is not stored", name)
		}
	}
}

// An operator must not take the former key out of the keys while a secret needs
// it.
func TestASecretThatIsNotSealedAgainIsLogged(t *testing.T) {
	w := newWorld(t)
	log := new(fake.Log)
	w.config.Log = slog.New(slog.NewTextHandler(log, nil))
	before, after := fake.RotatedKeys(t)
	c := w.client(dcr.GrantClientCredentials)
	w.Keys = before
	w.AddAppClient(w.AppClientKey(c.ID), broker.KindDedicated, broker.AppCredentials{ID: "own", Secret: "s3cret"}, scope)
	w.Keys = after
	w.fault = func(effect string) (bool, error) {
		if effect == "provision" {
			return false, fake.ErrInjected
		}
		return false, nil
	}
	w.ask(w.issuer(), token.Request{Client: c, GrantType: dcr.GrantClientCredentials})
	if got := log.String(); !strings.Contains(got, `level=WARN msg="app client secret not sealed again`) || !strings.Contains(got, "app_client=own") {
		t.Errorf("got the log %q, want a warning about the app client", got)
	}
}

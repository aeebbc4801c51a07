package token_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
	"github.com/dcr-broker/dcr-broker/pkg/broker/token"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
	kit "github.com/dcr-broker/dcr-broker/test/world"
)

// Every grant type that a client can register has an implementation.
func TestEveryGrantTypeIsImplemented(t *testing.T) {
	for _, grantType := range dcr.GrantTypes() {
		w := newWorld(t)
		_, err := w.issuer().Token(t.Context(), token.Request{Client: w.client(grantType), GrantType: grantType})
		if _, ok := errors.AsType[*dcr.Error](err); err != nil && !ok {
			t.Errorf("%s: %v, want a response or a refusal", grantType, err)
		}
	}
	w := newWorld(t)
	c := w.client(dcr.GrantAuthorizationCode)
	_, err := w.issuer().Token(t.Context(), token.Request{Client: c, GrantType: "password"})
	kit.WantCode(t, "Token", err, broker.UnsupportedGrantType)
	_, err = w.issuer().Token(t.Context(), token.Request{Client: c, GrantType: dcr.GrantRefreshToken})
	kit.WantCode(t, "Token", err, broker.UnauthorizedClient)
	_, err = w.issuer().Token(t.Context(), token.Request{Client: c})
	kit.WantCode(t, "Token", err, dcr.InvalidRequest)
}

// Without keys a request reads and changes nothing, and the client may try
// again.
func TestWithoutKeysTheBrokerIsNotReady(t *testing.T) {
	w := newWorld(t)
	w.config.Keys = func(context.Context) (*seal.Ring, error) { return nil, fake.ErrInjected }
	i, c := w.issuer(), w.client(dcr.GrantAuthorizationCode)
	_, tokenErr := i.Token(t.Context(), token.Request{Client: c, GrantType: dcr.GrantAuthorizationCode})
	_, introspectErr := i.Introspect(t.Context(), token.IntrospectionRequest{Token: "x"})
	for name, err := range map[string]error{"Token": tokenErr, "Revoke": i.Revoke(t.Context(), token.Revocation{Client: c, Token: "x"}), "Introspect": introspectErr} {
		e, ok := errors.AsType[*broker.Refusal](err)
		if !ok || e.Code != dcr.Unavailable || e.RetryAfter != 10*time.Second || !errors.Is(err, fake.ErrInjected) {
			t.Errorf("%s = %v, want a refusal that names 10 s and has the cause", name, err)
		}
	}
	if len(w.effects) != 0 {
		t.Errorf("effects %q, want none", w.effects)
	}
}

func TestKeysAreReadOnceForEachRequest(t *testing.T) {
	w := newWorld(t)
	reads := 0
	w.config.Keys = func(context.Context) (*seal.Ring, error) { reads++; return w.Keys, nil }
	i, c := w.issuer(), w.client(dcr.GrantAuthorizationCode, dcr.GrantRefreshToken)
	_, code := w.grant(c)
	a := w.ask(i, codeRequest(c, code))
	w.ask(i, refreshRequest(c, a.RefreshToken))
	if err := i.Revoke(t.Context(), token.Revocation{Client: c, Token: a.RefreshToken}); err != nil {
		t.Error(err)
	}
	if reads != 3 {
		t.Errorf("3 requests read the keys %d times, want 3", reads)
	}
}

func TestNewRequiresEveryField(t *testing.T) {
	full := newWorld(t).config
	for i := range reflect.TypeFor[token.Config]().NumField() {
		name := reflect.TypeFor[token.Config]().Field(i).Name
		c := full
		reflect.ValueOf(&c).Elem().Field(i).SetZero()
		if _, err := token.New(c); err == nil {
			t.Errorf("no error without %s", name)
		}
	}
}

package token_test

import (
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// The worst case: the process has just started, and an hour has passed since the
// last use was recorded.
func TestRefreshTakesAtMostFourCallsOfTheStore(t *testing.T) {
	s := newStack(t)
	c := s.public()
	a, err := s.store.AppClient(t.Context(), shared)
	if err != nil {
		t.Fatal(err)
	}
	tokens := s.signIn()
	if tokens.AppSecret, err = s.ring.Open(broker.SecretPurpose, a.SecretOwner(), a.Secret); err != nil {
		t.Fatal(err)
	}
	_, code := s.allow(c, tokens)
	first := s.as(c, "/token", codeForm(code)).want(200, "")

	s.clock.Advance(61 * time.Minute)
	s.start(s.ring)
	s.grants.Reset()
	s.records.Reset()
	s.as(c, "/token", refreshForm(first.text("refresh_token"))).want(200, "")
	all := 0
	for _, m := range s.records.Methods() {
		all += s.records.Calls(m)
	}
	if all != 4 || s.records.Calls("TouchRegistration") != 1 {
		t.Errorf("%d calls of the store, %d of them to record the use, want 4 and 1", all, s.records.Calls("TouchRegistration"))
	}
}

package token_test

import (
	"testing"
	"time"
)

// The worst case: the process has just started, and an hour has passed since the
// last use was recorded.
func TestRefreshTakesAtMostFiveCallsOfTheStore(t *testing.T) {
	s := newStack(t)
	c := s.public()
	tokens := s.signIn()
	tokens.AppSecret = s.app(shared).Secret
	_, code := s.allow(c, tokens)
	first := s.as(c, "/token", codeForm(code)).want(200, "")

	s.Clock.Advance(61 * time.Minute)
	s.start(s.Keys)
	s.Store.Reset()
	s.as(c, "/token", refreshForm(first.text("refresh_token"))).want(200, "")
	all := 0
	for _, m := range s.Store.Methods() {
		all += s.Store.Calls(m)
	}
	if all != 5 || s.Store.Calls("TouchRegistration") != 1 {
		t.Errorf("%d calls of the store, %d of them to record the use, want 5 and 1", all, s.Store.Calls("TouchRegistration"))
	}
}

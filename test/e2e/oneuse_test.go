package e2e

import (
	"cmp"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

// Of concurrent registrations with a token that has one use left, one succeeds,
// and the others get invalid_token.
func TestTokenWithOneUse(t *testing.T) { each(t, testTokenWithOneUse) }

func testTokenWithOneUse(t *testing.T, d *deployment) {
	token := d.oneUse(t)
	answers := d.registerAtOnce(t, 8, func(int) string { return publicClient }, bearer(token))
	slices.SortFunc(answers, func(a, b answer) int { return cmp.Compare(a.status, b.status) })
	for i, a := range answers {
		want, challenge := http.StatusUnauthorized, `Bearer error="invalid_token", `
		if i == 0 {
			want, challenge = http.StatusCreated, ""
		}
		if a.status == http.StatusCreated {
			d.registered(t, a, false)
		}
		if got := a.header.Get("WWW-Authenticate"); a.status != want || !strings.HasPrefix(got, challenge) {
			t.Errorf("answer %d of %d = %d %s with challenge %q, want %d with %q", i+1, len(answers), a.status, a.body, got, want, challenge)
		}
	}
}

// registerAtOnce makes n concurrent registrations.
func (d *deployment) registerAtOnce(t *testing.T, n int, body func(i int) string, header ...string) []answer {
	t.Helper()
	responses := make([]*http.Response, n)
	var all sync.WaitGroup
	for i := range n {
		req := d.newRequest(t, "POST /register", body(i), append(header, jsonBody)...)
		all.Go(func() {
			var err error
			if responses[i], err = client.Do(req); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
	answers := make([]answer, n)
	for i, res := range responses {
		answers[i] = answerOf(t, "POST /register", res)
	}
	return answers
}

// oneUse returns an initial access token with one use left.
func (d *deployment) oneUse(t *testing.T) string {
	t.Helper()
	if d.stack == nil {
		token := os.Getenv("E2E_ONE_USE_TOKEN")
		needs(t, "E2E_ONE_USE_TOKEN", token)
		return token
	}
	token, err := d.stack.NewInitialAccessToken(t.Context(), credential.Terms{Label: "one use", Profile: "trusted", CreatedBy: "e2e", MaxUses: 1})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

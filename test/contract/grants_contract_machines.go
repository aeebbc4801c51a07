package contract

import (
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// testMachineTokens checks the records of machine tokens: each counts as absent when
// its token has expired.
func testMachineTokens(t *testing.T, open OpenGrantStore) {
	clock := fake.NewClock()
	s := open(t, clock.Now)
	for _, resource := range []string{"https://a.example.com/mcp", "https://b.example.com/mcp"} {
		want := &broker.MachineToken{ID: "jti", Resource: resource, ExpiresAt: clock.Second().Add(time.Hour)}
		check(t, "put", s.PutMachineToken(t.Context(), want), nil)
		got, err := s.MachineToken(t.Context(), "jti")
		check(t, "read", err, nil)
		diff(t, "read after put", got, want)
	}
	for _, id := range []string{"other", "", "\xff", strings.Repeat("x", 3000)} {
		_, err := s.MachineToken(t.Context(), id)
		check(t, "read another", err, broker.ErrNotFound)
	}
	clock.Advance(time.Hour)
	_, err := s.MachineToken(t.Context(), "jti")
	check(t, "read when the token has expired", err, broker.ErrNotFound)
}

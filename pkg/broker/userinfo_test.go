package broker

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestVerifiedEmail(t *testing.T) {
	for _, tt := range []struct {
		email, verified string
		want            bool
	}{
		{"alice@example.com", `true`, true},
		{"alice@example.com", `"true"`, true},
		{"jürgen@bücher.example", `true`, true},
		{"alice@example.com", `false`, false},
		{"alice@example.com", `"false"`, false},
		{"alice@example.com", ``, false},
		{"alice@example.com", `null`, false},
		{"alice@example.com", `1`, false},
		{"", `true`, false},
		{"alice", `true`, false},
		{"@example.com", `true`, false},
		{"alice@", `true`, false},
		{"alice @example.com", `true`, false},
		{"alice@example.com\n", `true`, false},
		{"alice@example.com\u202etxt", `true`, false}, // reverses what follows
		{"alice\u200b@example.com", `true`, false},    // a space without width
		{"alice\x00@example.com", `true`, false},
		{"alice\xff@example.com", `true`, false},
		{strings.Repeat("a", 242) + "@example.com", `true`, true}, // 254 bytes
		{strings.Repeat("a", 243) + "@example.com", `true`, false},
	} {
		want := ""
		if tt.want {
			want = tt.email
		}
		if got := VerifiedEmail(tt.email, json.RawMessage(tt.verified)); got != want {
			t.Errorf("VerifiedEmail(%q, %s) = %q, want %q", tt.email, tt.verified, got, want)
		}
	}
}

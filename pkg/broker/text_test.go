package broker_test

import (
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

func TestPublicDescription(t *testing.T) {
	for s, public := range map[string]bool{
		"":                       true,
		"User does not exist. ~": true,
		strings.Repeat("a", 300): true,
		strings.Repeat("a", 301): false,
		`a "quoted" word`:        false,
		`a\b`:                    false,
		"a\tb":                   false,
		"a\x7f":                  false,
		"naïve":                  false,
	} {
		want := s
		if !public {
			want = ""
		}
		if got := broker.PublicDescription(s); got != want {
			t.Errorf("PublicDescription(%q) = %q, want %q", s, got, want)
		}
	}
}

package broker_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

func TestMarkersContainTheTime(t *testing.T) {
	seen := make(map[string]bool)
	for _, at := range []time.Time{time.Unix(0, 0), grantStart, grantStart.Add(999 * time.Millisecond), time.Unix(1<<35-1, 0)} {
		m := broker.NewMarker(at)
		if len(m) != 26 || strings.Trim(m, "abcdefghijklmnopqrstuvwxyz234567") != "" || seen[m] {
			t.Errorf("NewMarker = %q, want 26 new characters of [a-z2-7]", m)
		}
		seen[m] = true
		if got, ok := broker.MarkedAt(m); !ok || !got.Equal(broker.Seconds(at)) {
			t.Errorf("MarkedAt(%q) = %v, %t, want %v", m, got, ok, broker.Seconds(at))
		}
	}
	for _, m := range []string{"", "marker", strings.Repeat("1", 26), strings.Repeat("a", 27)} {
		if at, ok := broker.MarkedAt(m); ok {
			t.Errorf("MarkedAt(%q) = %v, want none", m, at)
		}
	}
}

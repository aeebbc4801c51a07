package registration

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// Networks with a share in common are one source: a stranger could lock out
// others. The counter of a large budget stays small all the same.
func TestNetworksHaveSharesOfTheirOwn(t *testing.T) {
	hash := func(_ context.Context, text string) ([sha256.Size]byte, error) {
		return sha256.Sum256([]byte(text)), nil
	}
	for _, tt := range []struct{ budget, networks, least, most int }{
		{100, 1000, 998, 1000},
		{1000, 1000, 998, 1000}, // with 10 bits about 640
		{1001, 20000, 1024, 1024},
		{10000, 20000, 1024, 1024},
	} {
		names := make(map[string]map[string]bool)
		for _, form := range []string{"10.%d.%d.1", "2001:db8:%x%02x::1"} {
			for i := range tt.networks {
				s := source{netip.MustParseAddr(fmt.Sprintf(form, i/256, i%256)), hash}
				shares, err := s.shares(t.Context(), time.Unix(0, 0), tt.budget)
				if err != nil {
					t.Fatal(err)
				}
				for _, share := range shares {
					kind := share.Name[:1]
					if names[kind] == nil {
						names[kind] = make(map[string]bool)
					}
					names[kind][share.Name] = true
				}
			}
		}
		// An IPv4 address, and IPv6 networks of 64 and 48 bits: no network of one kind
		// has the share of another kind.
		if len(names) != 3 {
			t.Errorf("budget %d: %d kinds of shares, want 3", tt.budget, len(names))
		}
		for kind, of := range names {
			if len(of) < tt.least || len(of) > tt.most {
				t.Errorf("budget %d: %d networks have %d shares %s, want %d to %d", tt.budget, tt.networks, len(of), kind, tt.least, tt.most)
			}
		}
	}
}

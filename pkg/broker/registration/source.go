package registration

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

// source is where a registration without a voucher comes from.
type source struct {
	// address is zero if it is not known.
	address netip.Addr
	// hash is Lifecycle.SourceHash.
	hash func(ctx context.Context, text string) ([sha256.Size]byte, error)
}

// shares returns the shares that the source has of the budget of an hour (ADR
// 22). An IPv4 address has a quarter, and so has an IPv6 network of 64 bits, which
// is what one home or machine gets. An IPv6 network of 48 bits, which one customer
// may get whole, has half.
//
// The name of a share has bits of a keyed hash of the network and the hour: too
// few to tell from a stored counter whose share it is. IPv4 addresses and IPv6
// networks have other names, because one customer may have thousands of networks.
func (s source) shares(ctx context.Context, hour time.Time, budget int) ([]broker.Share, error) {
	if !s.address.IsValid() {
		return nil, nil
	}
	type part struct {
		prefix string
		bits   int
		limit  int
	}
	parts := []part{{"a", 32, budget / 4}}
	if s.address.Is6() {
		parts = []part{{"b", 64, budget / 4}, {"n", 48, budget / 2}}
	}
	length := nameLength(budget)
	var shares []broker.Share
	for _, p := range parts {
		network := netip.PrefixFrom(s.address, p.bits).Masked()
		sum, err := s.hash(ctx, fmt.Sprintf("%d %s", hour.Unix(), network))
		if err != nil {
			return nil, err
		}
		name := p.prefix + credential.DerivedID(sum)[:length]
		shares = append(shares, broker.Share{Name: name, Limit: max(1, p.limit)})
	}
	return shares, nil
}

// nameLength returns the length of the names of shares, in characters of 5 bits.
// Two networks have a share in common once in a million, so that no client is
// refused for what a stranger sent. Each share takes room in the counter, and its
// size is what a write costs. So a large budget, which one network does not use
// up soon, has at most 1,024 shares of a kind.
func nameLength(budget int) int {
	if budget > 1000 {
		return 2
	}
	return 4
}

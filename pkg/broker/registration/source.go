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
// The name of a share has 10 bits of a keyed hash of the network and the hour.
// That keeps the sources of an hour apart, and is too little to tell from a stored
// counter which network it was. Two networks may have a share in common; a
// stranger cannot choose which.
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
		parts = []part{{"a", 64, budget / 4}, {"n", 48, budget / 2}}
	}
	var shares []broker.Share
	for _, p := range parts {
		network := netip.PrefixFrom(s.address, p.bits).Masked()
		sum, err := s.hash(ctx, fmt.Sprintf("%d %s", hour.Unix(), network))
		if err != nil {
			return nil, err
		}
		name := p.prefix + credential.DerivedID(sum)[:2] // a character has 5 bits
		shares = append(shares, broker.Share{Name: name, Limit: max(1, p.limit)})
	}
	return shares, nil
}

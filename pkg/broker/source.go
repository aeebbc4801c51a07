package broker

import (
	"context"
	"net/netip"
)

type sourceKey struct{}

// WithSource returns a context for a request that comes from the network address
// of a client. Nothing may be decided by it but limits: many users can share one
// address, and one user can have many.
func WithSource(ctx context.Context, address netip.Addr) context.Context {
	return context.WithValue(ctx, sourceKey{}, address)
}

// SourceOf returns the address that WithSource put into ctx, or the zero Addr if
// the address of the client is not known.
func SourceOf(ctx context.Context) netip.Addr {
	address, _ := ctx.Value(sourceKey{}).(netip.Addr)
	return address.Unmap().WithZone("")
}

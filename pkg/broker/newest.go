package broker

import "context"

// newestKey is the key of a context that wants the newest configuration. The value
// is whether a read that another request made will not do.
type newestKey struct{}

// Newest returns a context in which the configuration in force is the newest one,
// at most five seconds old. A use case asks for it when a record or a request
// names something that the configuration does not have, before it refuses the
// request for good: for a minute after a change, another process may use a newer
// configuration and may have stored the record under it. A source that cannot
// read the newest configuration returns an error in this context, although it
// has an older one.
func Newest(ctx context.Context) context.Context { return context.WithValue(ctx, newestKey{}, false) }

// Uncached returns a context of Newest in which the configuration is read from the
// store after the call, past every cache. A use case asks for it before it ends
// something because of the configuration: when the operator has restored the former
// configuration, what has ended stays ended.
func Uncached(ctx context.Context) context.Context { return context.WithValue(ctx, newestKey{}, true) }

// WantsNewest reports whether Newest or Uncached returned ctx or a parent of it.
func WantsNewest(ctx context.Context) bool { return ctx.Value(newestKey{}) != nil }

// WantsUncached reports whether Uncached returned ctx or a parent of it.
func WantsUncached(ctx context.Context) bool {
	uncached, _ := ctx.Value(newestKey{}).(bool)
	return uncached
}

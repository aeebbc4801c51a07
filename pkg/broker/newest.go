package broker

import "context"

type newestKey struct{}

// Newest returns a context in which the configuration in force is the newest one,
// at most five seconds old. A use case asks for it when a record or a request
// names something that the configuration does not have, before it refuses the
// request for good: for a minute after a change, another process may use a newer
// configuration and may have stored the record under it. A source that cannot
// read the newest configuration returns an error in this context, although it
// has an older one.
func Newest(ctx context.Context) context.Context { return context.WithValue(ctx, newestKey{}, true) }

// WantsNewest reports whether Newest returned ctx or a parent of it.
func WantsNewest(ctx context.Context) bool { return ctx.Value(newestKey{}) != nil }

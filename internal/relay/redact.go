package relay

import "log/slog"

// What holds secrets or tokens does not show them when it is logged or printed.
const redacted = "[redacted]"

func (reply) String() string   { return redacted }
func (*tokens) String() string { return redacted }

func (reply) LogValue() slog.Value   { return slog.StringValue(redacted) }
func (*tokens) LogValue() slog.Value { return slog.StringValue(redacted) }

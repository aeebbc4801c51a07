package main

import (
	"context"
	"io"
	"log/slog"
)

// newLog returns a log for people who watch a terminal. It has no metrics, which
// are for CloudWatch.
func newLog(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(&minimum{level, slog.NewTextHandler(w, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == "_aws" {
				return slog.Attr{}
			}
			return a
		},
	})})
}

// minimum drops records below a level in Handle too. The lines of requests and
// the audit trail are written without asking Enabled, so that no setting of a
// function turns them off; on a laptop they would hide everything else.
type minimum struct {
	level slog.Level
	slog.Handler
}

func (m *minimum) Enabled(_ context.Context, level slog.Level) bool { return level >= m.level }

func (m *minimum) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < m.level {
		return nil
	}
	return m.Handler.Handle(ctx, r)
}

func (m *minimum) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &minimum{m.level, m.Handler.WithAttrs(attrs)}
}

func (m *minimum) WithGroup(name string) slog.Handler {
	return &minimum{m.level, m.Handler.WithGroup(name)}
}

package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
)

// log returns the logger of the use cases: what is an audit line goes as JSON
// to the audit log, or else to standard error, and only warnings and errors of
// the rest to standard error. A file that cannot be written to is an error
// before anything has been changed.
func (op *operator) log() (*slog.Logger, error) {
	h := &auditing{
		audit: slog.NewJSONHandler(op.errs, nil),
		rest:  slog.NewTextHandler(op.errs, &slog.HandlerOptions{Level: slog.LevelWarn}),
	}
	if op.auditLog != "" {
		f, err := os.OpenFile(op.auditLog, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
		if err != nil {
			return nil, usagef("--audit-log: %v", err)
		}
		op.opened = append(op.opened, f)
		h.audit = slog.NewJSONHandler(f, nil)
	}
	return slog.New(h), nil
}

// auditing tells audit lines, which telemetry.Audit writes, from the rest.
type auditing struct{ audit, rest slog.Handler }

func (h *auditing) Enabled(context.Context, slog.Level) bool { return true }

func (h *auditing) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "audit" {
		if err := h.audit.Handle(ctx, r); err != nil {
			return fmt.Errorf("audit log: %w", err)
		}
		return nil
	}
	if !h.rest.Enabled(ctx, r.Level) {
		return nil
	}
	return h.rest.Handle(ctx, r)
}

func (h *auditing) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &auditing{h.audit.WithAttrs(attrs), h.rest.WithAttrs(attrs)}
}

func (h *auditing) WithGroup(name string) slog.Handler {
	return &auditing{h.audit.WithGroup(name), h.rest.WithGroup(name)}
}

package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
)

// log returns the logger of the use cases. Audit lines go as JSON to the audit
// log, or to standard error if there is none. Of all other lines, warnings and
// errors go to standard error. log returns an error if the audit log cannot be
// opened, so that the command fails before it changes anything.
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

// auditing is a handler that separates the audit lines, which telemetry.Audit
// writes, from all others.
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

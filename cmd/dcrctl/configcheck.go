package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/tool/preflight"
	"github.com/dcr-broker/dcr-broker/internal/tool/terminal"
)

type configCmd struct {
	Check configCheckCmd `cmd:"" help:"Look whether user pool, table, keys and policy are as the environment says, and what you may call. Changes nothing."`
}

type configCheckCmd struct{}

func (c *configCheckCmd) Run(ctx context.Context, op *operator) error {
	w := &checkWriter{w: op.out, coloured: terminal.Coloured(op.out)}
	each := w.check
	if op.json {
		each = nil
	}
	conf, err := environment.AppClients(op.getenv)
	if err != nil {
		// All of the environment's faults are in the answer, so that a script
		// need not know where they come from.
		var checks []preflight.Check
		for text := range strings.Lines(err.Error()) {
			checks = append(checks, preflight.Check{ID: "environment", Status: preflight.Fail, Detail: strings.TrimSpace(text)})
		}
		return c.finish(op, checks, w, true)
	}
	sdk, err := op.sdk(ctx, conf.Region)
	if err != nil {
		return err
	}
	checks := preflight.Run(ctx, preflight.Options{Config: conf, SDK: sdk, Each: each})
	if err := ctx.Err(); err != nil {
		return err
	}
	return c.finish(op, checks, w, false)
}

// finish writes what has not been written, and returns errFailed if a check
// failed.
func (c *configCheckCmd) finish(op *operator, checks []preflight.Check, w *checkWriter, write bool) error {
	if op.json {
		if err := op.writeJSON(checks); err != nil {
			return err
		}
	} else if write {
		for _, x := range checks {
			w.check(x)
		}
		op.note("Set these, or name a file that has them with --env-file; the rest was not looked at.")
	}
	if preflight.Failed(checks) {
		return errFailed
	}
	return nil
}

// checkWriter writes checks for people.
type checkWriter struct {
	w        io.Writer
	coloured bool
}

const (
	checkColumns = 110
	checkIndent  = len("warning  pool.identity-providers  ")
)

var checkColours = map[preflight.Status]terminal.Colour{
	preflight.OK: terminal.Green, preflight.Warning: terminal.Yellow, preflight.Fail: terminal.Red,
}

func (w *checkWriter) check(c preflight.Check) {
	head := terminal.Paint(w.coloured, checkColours[c.Status], fmt.Sprintf("%-7s", c.Status)) + fmt.Sprintf("  %-23s  ", c.ID)
	text := terminal.Wrap(lines(c.Detail), checkColumns-checkIndent)
	if c.Do != "" {
		text = append(text, terminal.Wrap("-> "+lines(c.Do), checkColumns-checkIndent)...)
	}
	for i, part := range text {
		if i > 0 {
			head = strings.Repeat(" ", checkIndent)
		}
		fmt.Fprintln(w.w, head+part)
	}
}

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
	Lint     configLintCmd     `cmd:"" help:"Report every fault of a document. Needs no AWS account."`
	Show     configShowCmd     `cmd:"" help:"Print the document in force, or a version, as it was stored."`
	History  configHistoryCmd  `cmd:"" help:"List the stored versions: when, by whom, and which is in force."`
	Diff     configDiffCmd     `cmd:"" help:"Compare a document with the version in force. Exit code 1 if they differ."`
	Apply    configApplyCmd    `cmd:"" help:"Store a document as the next version. Shows the difference, and which clients and grants it cuts off, and asks for confirmation. Then updates the app clients."`
	Rollback configRollbackCmd `cmd:"" help:"Store the document of an older version as the next version. Shows and asks the same as apply."`
	Profiles configProfilesCmd `cmd:"" help:"Show the profiles of a configuration, with defaults filled in."`
	Test     configTestCmd     `cmd:"" help:"Show what a registration would get under a configuration, and why."`
	Check    configCheckCmd    `cmd:"" help:"Check that table, configuration, user pool and keys match each other, and that you have the necessary permissions. Changes nothing."`
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
		// Faults of the environment are written as failed checks, so that a
		// script finds all faults in the same place.
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
	checks := preflight.Run(ctx, preflight.Options{Environment: conf, SDK: sdk, Each: each})
	if err := ctx.Err(); err != nil {
		return err
	}
	return c.finish(op, checks, w, false)
}

// finish writes the checks as JSON, or as text if write is set, and returns
// errFailed if a check failed.
func (c *configCheckCmd) finish(op *operator, checks []preflight.Check, w *checkWriter, write bool) error {
	if op.json {
		if err := op.writeJSON(checks); err != nil {
			return err
		}
	} else if write {
		for _, x := range checks {
			w.check(x)
		}
		op.infof("Set these variables, or name a file that has them with --env-file. Nothing else was checked.")
	}
	if preflight.Failed(checks) {
		return errFailed
	}
	return nil
}

// checkWriter writes checks as text.
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

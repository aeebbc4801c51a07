package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configure"
)

type configDiffCmd struct {
	File string `arg:"" help:"The document: a file, or - for standard input."`
}

// Run fails if the documents differ, as diff does.
func (c *configDiffCmd) Run(ctx context.Context, op *operator) error {
	body, err := readFile(op, c.File)
	if err != nil {
		return &usageError{err.Error()}
	}
	s, err := op.stored(ctx)
	if err != nil {
		return err
	}
	newest := s.newest()
	var before []byte
	if newest.Number != 0 {
		if before, err = configuration.ReadDocument(ctx, s.reader, newest); err != nil {
			return err
		}
	}
	changes, err := configure.Difference(before, body)
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	if op.json {
		if changes == nil {
			changes = []configure.Change{}
		}
		if err := op.writeJSON(changes); err != nil {
			return err
		}
	} else {
		writeChanges(op.out, changes)
	}
	with := "an empty table"
	if newest.Number != 0 {
		with = fmt.Sprintf("version %d", newest.Number)
	}
	switch {
	case len(changes) > 0:
		op.infof("%s compared with %s", plural(len(changes), "change", "changes"), with)
		return errFailed
	case newest.Digest != configuration.Digest(body):
		op.infof("%s says the same as %s and is written in another way", c.File, with)
	default:
		op.infof("%s is %s", c.File, with)
	}
	return nil
}

// maxValue is the maximum number of characters of a value in a difference. JSON
// has the whole value.
const maxValue = 160

// writeChanges writes changes as lines that begin with + for what is new, - for
// what is gone and ~ for a changed value.
func writeChanges(w io.Writer, changes []configure.Change) {
	value := func(v []byte) string { return clip(plain(string(v)), maxValue) }
	for _, c := range changes {
		path := plain(c.Path)
		switch {
		case c.Before == nil:
			fmt.Fprintf(w, "+ %s: %s\n", path, value(c.After))
		case c.After == nil:
			fmt.Fprintf(w, "- %s: %s\n", path, value(c.Before))
		default:
			fmt.Fprintf(w, "~ %s: %s -> %s\n", path, value(c.Before), value(c.After))
		}
	}
}

// shortList returns the elements with commas, at most ten of them.
func shortList(list []string) string {
	const most = 10
	if len(list) <= most {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
}

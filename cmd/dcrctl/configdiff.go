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
	now, err := s.inForce(ctx)
	if err != nil {
		return err
	}
	for _, line := range now.unusableLines(s) {
		op.infof("%s", line)
	}
	var before []byte
	with := "an empty table"
	switch {
	case now.conf != nil:
		with = fmt.Sprintf("version %d", now.version.Number)
		if before, err = configuration.ReadDocument(ctx, s.reader, now.version); err != nil {
			return err
		}
	case len(s.versions) > 0:
		with = "nothing, because no stored version can be used"
	}
	changes, err := configure.Difference(before, body)
	if err != nil {
		return fmt.Errorf("%s: %w", fileName(c.File), err)
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
	switch {
	case len(changes) > 0:
		op.infof("%s compared with %s", plural(len(changes), "change", "changes"), with)
		return errFailed
	case now.version.Digest != configuration.Digest(body):
		op.infof("%s says the same as %s and is written in another way", fileName(c.File), with)
	default:
		op.infof("%s is %s", fileName(c.File), with)
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

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configure"
	"github.com/dcr-broker/dcr-broker/pkg/strict"
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
// what is gone and ~ for a changed value. A long object or array that is new or
// gone has a line for each member.
func writeChanges(w io.Writer, changes []configure.Change) {
	for _, c := range changes {
		switch {
		case c.Before == nil:
			writeValue(w, "+", c.Path, c.After)
		case c.After == nil:
			writeValue(w, "-", c.Path, c.Before)
		default:
			fmt.Fprintf(w, "~ %s: %s -> %s\n", plain(c.Path), clip(plain(string(c.Before)), maxValue), clip(plain(string(c.After)), maxValue))
		}
	}
}

// writeValue writes a value, or its members if it is long.
func writeValue(w io.Writer, sign, path string, value json.RawMessage) {
	var members map[string]json.RawMessage
	var elements []json.RawMessage
	switch {
	case utf8.RuneCount(value) <= maxValue:
	case json.Unmarshal(value, &members) == nil && len(members) > 0:
		for _, name := range slices.Sorted(maps.Keys(members)) {
			writeValue(w, sign, strict.Member(path, name), members[name])
		}
		return
	case json.Unmarshal(value, &elements) == nil && len(elements) > 0:
		for i, e := range elements {
			writeValue(w, sign, strict.Index(path, i), e)
		}
		return
	}
	fmt.Fprintf(w, "%s %s: %s\n", sign, plain(path), clip(plain(string(value)), maxValue))
}

// shortList returns the elements with commas, at most ten of them.
func shortList(list []string) string {
	const most = 10
	if len(list) <= most {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
}

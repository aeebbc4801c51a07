package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
)

type configLintCmd struct {
	File string `arg:"" help:"The document: a file, or - for standard input."`
	modeFlag
}

// Run needs no AWS account.
func (c *configLintCmd) Run(_ context.Context, op *operator) error {
	conf, body, d, err := c.read(op, c.File)
	faulty, invalid := errors.AsType[*faultyError](err)
	if err != nil && !invalid {
		return &usageError{err.Error()}
	}
	faults := []fault{}
	if invalid {
		faults = faulty.faults
	}
	if op.json {
		if err := op.writeJSON(faults); err != nil {
			return err
		}
	} else {
		for _, f := range faults {
			fmt.Fprintln(op.out, plain(f.String()))
		}
	}
	if invalid {
		op.infof("%s in %s", plural(len(faults), "fault", "faults"), fileName(c.File))
		return errFailed
	}
	op.warn(conf)
	op.infof("%s is valid for %s mode: %s", fileName(c.File), d.Mode, summary(conf, len(body)))
	return nil
}

// warn writes the warnings of a valid document to standard error.
func (op *operator) warn(conf *configuration.Configuration) {
	for _, f := range conf.Warnings() {
		op.infof("warning: %s", fault{f.Path, f.Message})
	}
}

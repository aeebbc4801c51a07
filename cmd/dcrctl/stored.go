package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configure"
)

// stored is the configuration in the table.
type stored struct {
	reader     configuration.Reader
	deployment broker.Deployment
	// versions are the versions that are kept, newest first.
	versions []configuration.Version
}

// stored reads the versions in the table.
func (op *operator) stored(ctx context.Context) (*stored, error) {
	conf, _, store, err := op.tableOnly(ctx)
	if err != nil {
		return nil, err
	}
	// The environment of a command that only reads need not be complete.
	d, err := modeFlag{}.deployment(op)
	if err != nil {
		return nil, err
	}
	op.noteFile(conf)
	return readStored(ctx, store.Configuration(), d)
}

// noteFile says so if the environment names a configuration file, because a change
// of the table then has no effect.
func (op *operator) noteFile(conf *environment.Environment) {
	if conf.ConfigurationFile != "" {
		op.infof("CONFIGURATION is set: functions with this environment use that file and not the table.")
	}
}

func readStored(ctx context.Context, r configuration.Reader, d broker.Deployment) (*stored, error) {
	versions, err := r.Versions(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the versions of the configuration: %w", err)
	}
	return &stored{r, d, versions}, nil
}

// newest returns the newest version, zero if there is none.
func (s *stored) newest() configuration.Version {
	if len(s.versions) == 0 {
		return configuration.Version{}
	}
	return s.versions[0]
}

// version returns the version with that number.
func (s *stored) version(number int) (configuration.Version, error) {
	for _, v := range s.versions {
		if v.Number == number {
			return v, nil
		}
	}
	if len(s.versions) == 0 {
		return configuration.Version{}, missing(fmt.Errorf("version %d: %w", number, configuration.ErrNone))
	}
	return configuration.Version{}, missing(fmt.Errorf("version %d: %w; versions %d to %d are stored",
		number, configure.ErrNoVersion, s.versions[len(s.versions)-1].Number, s.versions[0].Number))
}

type configShowCmd struct {
	Version int `arg:"" optional:"" help:"Number of a version. Default: the version in force."`
}

// Run writes the document as it was stored, so that it can be changed and
// applied again.
func (c *configShowCmd) Run(ctx context.Context, op *operator) error {
	s, err := op.stored(ctx)
	if err != nil {
		return err
	}
	v, err := s.version(c.Version)
	if c.Version == 0 {
		var now inForce
		now, err = s.inForce(ctx)
		v = now.version
	}
	if err != nil {
		return err
	}
	if v.Number == 0 {
		return missing(noVersion(s))
	}
	body, err := configuration.ReadDocument(ctx, s.reader, v)
	if err != nil {
		return err
	}
	op.infof("%s", versionLine(v))
	_, err = op.out.Write(body)
	return err
}

// noVersion is the error for a table without a version that can be used.
func noVersion(s *stored) error {
	if len(s.versions) == 0 {
		return configuration.ErrNone
	}
	return errors.New("none of the stored versions can be used; dcrctl config history says why")
}

// versionLine describes a version, for people.
func versionLine(v configuration.Version) string {
	text := fmt.Sprintf("version %d, stored by %s at %s UTC, digest %.12s", v.Number, v.By, stamp(v.At, "an unknown time"), v.Digest)
	if v.Restores != 0 {
		text += fmt.Sprintf(", restores version %d", v.Restores)
	}
	return text
}

type configHistoryCmd struct{}

// versionRow is a version as JSON.
type versionRow struct {
	Version  int       `json:"version"`
	At       time.Time `json:"at"`
	By       string    `json:"by"`
	Digest   string    `json:"digest"`
	Schema   int       `json:"schema"`
	Restores int       `json:"restores,omitzero"`
	InForce  bool      `json:"in_force"`
	// Unusable is why this program cannot use the version. It is only known of
	// versions that are newer than the one in force.
	Unusable string `json:"unusable,omitempty"`
}

func (c *configHistoryCmd) Run(ctx context.Context, op *operator) error {
	s, err := op.stored(ctx)
	if err != nil {
		return err
	}
	now, err := s.inForce(ctx)
	if err != nil {
		return err
	}
	var rows []versionRow
	for _, v := range s.versions {
		row := versionRow{v.Number, v.At.UTC(), v.By, v.Digest, v.Schema, v.Restores, v.Number == now.version.Number, ""}
		if err := now.unusable[v.Number]; err != nil {
			row.Unusable = oneLine(reason(err))
		}
		rows = append(rows, row)
	}
	return emit(op, rows, configuration.ErrNone.Error(), []column[versionRow]{
		{"VERSION", func(r versionRow) string { return fmt.Sprint(r.Version) }},
		{"STORED", func(r versionRow) string { return stamp(r.At, "") }},
		{"BY", func(r versionRow) string { return shortName(r.By) }},
		{"DIGEST", func(r versionRow) string { return fmt.Sprintf("%.12s", r.Digest) }},
		{"SCHEMA", func(r versionRow) string { return fmt.Sprint(r.Schema) }},
		{"NOTE", versionRow.note},
	})
}

func (r versionRow) note() string {
	var text string
	switch {
	case r.InForce:
		text = "in force"
	case r.Unusable != "":
		text = "not usable: " + r.Unusable
	}
	if r.Restores != 0 {
		if text != "" {
			text += ", "
		}
		text += fmt.Sprintf("restores %d", r.Restores)
	}
	return text
}

// reason returns the text of why a version cannot be used: the number of its
// faults, if it has some.
func reason(err error) string {
	switch {
	case errors.Is(err, configuration.ErrGone), errors.Is(err, configuration.ErrAltered):
		return err.Error()
	}
	if f := faultsOf(err); len(f) > 1 || f[0].Path != "" {
		return plural(len(f), "fault", "faults") + ", such as " + f[0].String()
	}
	return err.Error()
}

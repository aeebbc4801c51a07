package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configure"
	usecase "github.com/dcr-broker/dcr-broker/pkg/broker/operator"
)

// applyFlags are the flags of commands that store a version.
type applyFlags struct {
	CreateScopes bool `help:"Create the scopes that the user pool lacks, and their resource servers. Removes nothing."`
	SkipPool     bool `help:"Do not use Cognito: do not check whether the user pool allows the configuration, and update no app client."`
	SkipImpact   bool `help:"Do not count the clients and grants that the change cuts off. Counting reads the whole table twice."`
	confirmation
}

type configApplyCmd struct {
	File string `arg:"" help:"The document: a file, or - for standard input, which needs --yes."`
	applyFlags
}

func (c *configApplyCmd) Run(ctx context.Context, op *operator) error {
	body, err := readFile(op, c.File)
	if err != nil {
		return &usageError{err.Error()}
	}
	w, err := c.open(ctx, op)
	if err != nil {
		return err
	}
	return w.apply(ctx, fileName(c.File), body, 0)
}

type configRollbackCmd struct {
	Version int `arg:"" help:"Number of the version, see config history."`
	applyFlags
}

func (c *configRollbackCmd) Run(ctx context.Context, op *operator) error {
	w, err := c.open(ctx, op)
	if err != nil {
		return err
	}
	v, err := w.version(c.Version)
	if err != nil {
		return err
	}
	body, err := configuration.ReadDocument(ctx, w.reader, v)
	if err != nil {
		return err
	}
	return w.apply(ctx, fmt.Sprintf("version %d", v.Number), body, v.Number)
}

// writer stores one version.
type writer struct {
	*stored
	applyFlags
	op        *operator
	caller    string
	table     *records.Store
	configure *configure.Writer
	// pool is nil with --skip-pool.
	pool *deployment
	// view gets what the operator has to see before the confirmation.
	view io.Writer
	// done is the result.
	done applied
}

// applied is the result of storing a version, as JSON.
type applied struct {
	Version int `json:"version"`
	// Mode is the mode for which the document was checked.
	Mode broker.Mode `json:"mode"`
	// Unchanged is true if the newest version had this document already.
	Unchanged bool               `json:"unchanged"`
	Restores  int                `json:"restores,omitzero"`
	Digest    string             `json:"digest"`
	Changes   []configure.Change `json:"changes"`
	// Impact is left out if it was not counted.
	Impact        *usecase.Impact   `json:"impact,omitempty"`
	CreatedScopes []string          `json:"created_scopes"`
	AppClients    []usecase.Updated `json:"app_clients"`
}

// open reads the versions in the table.
func (f applyFlags) open(ctx context.Context, op *operator) (*writer, error) {
	if f.SkipPool && f.CreateScopes {
		return nil, usagef("--skip-pool and --create-scopes cannot be combined")
	}
	w := &writer{applyFlags: f, op: op, view: op.out}
	if op.json {
		w.view = op.errs
	}
	log, err := op.log()
	if err != nil {
		return nil, err
	}
	d, err := w.connect(ctx)
	if err != nil {
		return nil, err
	}
	if w.stored, err = readStored(ctx, w.table.Configuration(), d); err != nil {
		return nil, err
	}
	w.done = applied{Mode: d.Mode, Changes: []configure.Change{}, CreatedScopes: []string{}, AppClients: []usecase.Updated{}}
	w.configure, err = configure.New(configure.Config{Store: w.table.Configuration(), Deployment: d, Now: op.now, Log: log})
	return w, err
}

// connect sets table, pool and caller. With --skip-pool, the environment need not
// describe the user pool.
func (w *writer) connect(ctx context.Context) (broker.Deployment, error) {
	var conf *environment.Environment
	var err error
	if w.SkipPool {
		if conf, err = environment.Metadata(w.op.getenv); err != nil {
			return broker.Deployment{}, &environmentError{err}
		}
		sdk, err := w.op.sdk(ctx, conf.Region)
		if err != nil {
			return broker.Deployment{}, err
		}
		w.table, w.caller = wire.Table(conf, sdk), w.op.caller(ctx, sdk)
	} else {
		if w.pool, err = w.op.deployment(ctx); err != nil {
			return broker.Deployment{}, err
		}
		conf, w.table, w.caller = w.pool.config, w.pool.store, w.pool.caller
	}
	w.op.noteFile(conf)
	return conf.Deployment(), nil
}

// apply stores a document with everything that belongs to it: it checks the
// document, shows the difference and which clients and grants it cuts off,
// compares the document with the user pool, asks, creates scopes, stores the
// version, and updates app clients. name is that of the document in messages;
// restores is the number of the version whose document it is, or 0.
func (w *writer) apply(ctx context.Context, name string, body []byte, restores int) error {
	after, err := parse(name, body, w.stored.deployment)
	if err != nil {
		return err
	}
	unchanged, err := w.compare(ctx, name, body, after)
	if err != nil {
		return err
	}
	w.op.warn(after)
	missing, err := w.comparePool(ctx, after)
	if err != nil {
		return err
	}
	if !unchanged || len(missing) > 0 {
		if err := w.ask(ctx, name, missing, unchanged); err != nil {
			return err
		}
	}
	if err := w.createScopes(ctx, after, missing); err != nil {
		return err
	}
	if err := w.write(ctx, body, restores); err != nil {
		return err
	}
	err = w.updateAppClients(ctx)
	if err == nil {
		err = w.checkScopes(ctx, after)
	}
	if w.op.json {
		return errors.Join(err, w.op.writeJSON([]applied{w.done}))
	}
	return err
}

// ask asks for confirmation.
func (w *writer) ask(ctx context.Context, name string, missing []string, unchanged bool) error {
	scopes := ""
	if len(missing) > 0 {
		scopes = fmt.Sprintf("The user pool gets the %s %s.\n", number(len(missing), "scope", "scopes"), shortList(missing))
	}
	if unchanged {
		return w.confirmf(ctx, w.op, "%sCreate %s?", scopes, number(len(missing), "it", "them"))
	}
	return w.confirmf(ctx, w.op, "%sStore %s as version %d, for %s mode?", scopes, name, w.newest().Number+1, w.stored.deployment.Mode)
}

// write stores the version.
func (w *writer) write(ctx context.Context, body []byte, restores int) error {
	var result configure.Result
	var err error
	if restores != 0 {
		result, err = w.configure.Rollback(ctx, restores, w.caller, w.newest().Number)
	} else {
		result, err = w.configure.Apply(ctx, body, w.caller, w.newest().Number)
	}
	if errors.Is(err, configuration.ErrChanged) {
		return w.overtaken(ctx)
	}
	if err != nil {
		return err
	}
	v := result.Version
	w.done.Version, w.done.Unchanged, w.done.Restores, w.done.Digest = v.Number, result.Unchanged, v.Restores, v.Digest
	if result.Unchanged {
		w.op.infof("version %d has this document already, so no version was stored", v.Number)
	} else {
		w.op.infof("version %d is stored for %s mode; the functions use it within a minute", v.Number, w.done.Mode)
	}
	return nil
}

// overtaken returns the error for a version that another one has preceded.
func (w *writer) overtaken(ctx context.Context) error {
	text := "another version was stored in the meantime"
	if versions, err := w.reader.Versions(ctx); err == nil && len(versions) > 0 {
		text += ": " + versionLine(versions[0])
	}
	what := "Nothing was changed"
	if len(w.done.CreatedScopes) > 0 {
		what = "The scopes that were created stay; nothing else was changed"
	}
	return fmt.Errorf("%s. %s. Look at it (dcrctl config show), and run the command again", text, what)
}

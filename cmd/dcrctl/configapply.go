package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"

	settings "github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configure"
	usecase "github.com/dcr-broker/dcr-broker/pkg/broker/operator"
)

// applyFlags are the flags of commands that store a version.
type applyFlags struct {
	CreateScopes bool `help:"Create the scopes that the user pool lacks, and their resource servers. Removes nothing."`
	SkipPool     bool `help:"Do not use Cognito: do not check whether the user pool has the scopes, and update no app client."`
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
	return w.apply(ctx, c.File, body, 0)
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
	store     usecase.ImpactStore
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
	// Unchanged is true if the newest version had this document already.
	Unchanged bool               `json:"unchanged"`
	Restores  int                `json:"restores,omitzero"`
	Digest    string             `json:"digest"`
	Changes   []configure.Change `json:"changes"`
	// Impact is left out if it was not counted.
	Impact        *usecase.Impact  `json:"impact,omitempty"`
	CreatedScopes []string         `json:"created_scopes"`
	AppClients    []updatedProfile `json:"app_clients"`
}

// updatedProfile says how many app clients of a profile were updated.
type updatedProfile struct {
	Profile string `json:"profile"`
	Updated int    `json:"updated"`
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
	var conf *settings.Config
	var sdk aws.Config
	if f.SkipPool {
		if conf, err = settings.Metadata(op.getenv); err != nil {
			return nil, &environmentError{err}
		}
		if sdk, err = op.sdk(ctx, conf.Region); err != nil {
			return nil, err
		}
		w.caller = op.caller(ctx, sdk)
	} else {
		if w.pool, err = op.deployment(ctx); err != nil {
			return nil, err
		}
		conf, sdk, w.caller = w.pool.config, w.pool.parts.SDK, w.pool.caller
	}
	if conf.ConfigurationFile != "" {
		op.infof("CONFIGURATION is set: functions with this environment use that file and not the table.")
	}
	table := wire.Table(conf, sdk)
	w.store = table
	if w.stored, err = readStored(ctx, table.Configuration(), conf.Deployment()); err != nil {
		return nil, err
	}
	w.configure, err = configure.New(configure.Config{Store: table.Configuration(), Deployment: conf.Deployment(), Now: op.now, Log: log})
	return w, err
}

// apply stores a document with everything that belongs to it: it checks the
// document, shows the difference and whom it cuts off, compares the scopes with
// the user pool, asks, creates scopes, stores the version, and updates app
// clients. name is that of the document in messages; restores is the number of
// the version whose document it is, or 0.
func (w *writer) apply(ctx context.Context, name string, body []byte, restores int) error {
	after, err := parse(name, body, w.stored.deployment)
	if err != nil {
		return err
	}
	newest := w.newest()
	unchanged := newest.Digest == configuration.Digest(body)
	before, err := w.compare(ctx, name, body, after)
	if err != nil {
		return err
	}
	missing, err := w.missingScopes(ctx, after)
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
	result, err := w.write(ctx, body, restores)
	if err != nil {
		return err
	}
	w.done.Version, w.done.Unchanged = result.Version.Number, result.Unchanged
	w.done.Restores, w.done.Digest = result.Version.Restores, result.Version.Digest
	if result.Unchanged {
		w.op.infof("version %d has this document already, so no version was stored", result.Version.Number)
	} else {
		w.op.infof("version %d is stored; the functions use it within a minute", result.Version.Number)
	}
	err = w.updateAppClients(ctx, before, after, result.Unchanged)
	if err == nil {
		err = w.checkScopes(ctx, after)
	}
	if w.op.json {
		return errors.Join(err, w.op.writeJSON([]applied{w.done}))
	}
	return err
}

// compare shows the difference to the newest version and whom it cuts off. It
// returns the configuration of the newest version, nil if there is none that
// this program can use.
func (w *writer) compare(ctx context.Context, name string, body []byte, after *configuration.Configuration) (*configuration.Configuration, error) {
	w.done.Changes, w.done.CreatedScopes, w.done.AppClients = []configure.Change{}, []string{}, []updatedProfile{}
	newest := w.newest()
	if newest.Number == 0 {
		fmt.Fprintf(w.view, "The table has no configuration yet. %s has %s.\n", plain(name), plain(summary(after, len(body))))
		return nil, nil
	}
	document, err := configuration.ReadDocument(ctx, w.reader, newest)
	e, gone := errors.AsType[*configuration.VersionError](err)
	switch {
	case gone:
		w.op.infof("there is nothing to compare with: %v", e)
	case err != nil:
		return nil, err
	case newest.Digest == configuration.Digest(body):
		return after, nil
	default:
		changes, err := configure.Difference(document, body)
		if err != nil {
			return nil, err
		}
		if changes != nil {
			w.done.Changes = changes
		}
		fmt.Fprintf(w.view, "Version %d, compared with %s:\n", newest.Number, plain(name))
		writeChanges(w.view, changes)
		if len(changes) == 0 {
			fmt.Fprintln(w.view, "Both say the same and are written in another way.")
		}
	}
	before, err := configuration.Load(ctx, w.reader, newest, w.stored.deployment)
	if e, bad := errors.AsType[*configuration.VersionError](err); bad {
		w.op.infof("the newest version cannot be used here, so clients are compared with what they are registered for: %v", e)
		before, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	return before, w.showImpact(ctx, before, after)
}

func (w *writer) showImpact(ctx context.Context, before, after *configuration.Configuration) error {
	if w.SkipImpact {
		fmt.Fprintln(w.view, "Clients and grants were not counted (--skip-impact).")
		return nil
	}
	progress := w.op.progress()
	impact, err := usecase.ImpactOf(ctx, w.store, before, after, w.stored.deployment.Mode, w.op.now(), func(i *usecase.Impact) {
		progress.updatef("%d clients and %d grants read", i.Registrations, i.Grants)
	})
	progress.end()
	if err != nil {
		return fmt.Errorf("%w; --skip-impact does not count clients and grants", err)
	}
	w.done.Impact = &impact
	writeImpact(w.view, impact)
	return nil
}

// ask asks for confirmation.
func (w *writer) ask(ctx context.Context, name string, missing []string, unchanged bool) error {
	scopes := ""
	if len(missing) > 0 {
		scopes = fmt.Sprintf("The user pool gets the scopes %s.\n", shortList(missing))
	}
	if unchanged {
		return w.confirmf(ctx, w.op, "%sCreate them?", scopes)
	}
	next := w.newest().Number + 1
	return w.confirmf(ctx, w.op, "%sStore %s as version %d?", scopes, name, next)
}

// write stores the version.
func (w *writer) write(ctx context.Context, body []byte, restores int) (configure.Result, error) {
	var result configure.Result
	var err error
	if restores != 0 {
		result, err = w.configure.Rollback(ctx, restores, w.caller, w.newest().Number)
	} else {
		result, err = w.configure.Apply(ctx, body, w.caller, w.newest().Number)
	}
	if !errors.Is(err, configuration.ErrChanged) {
		return result, err
	}
	who := "somebody else"
	if versions, err := w.reader.Versions(ctx); err == nil && len(versions) > 0 {
		who = versionLine(versions[0])
	}
	what := "Nothing was changed"
	if len(w.done.CreatedScopes) > 0 {
		what = "The scopes that were created stay; nothing else was changed"
	}
	return result, fmt.Errorf("another change was faster: %s. %s. Look at it (dcrctl config diff), and run the command again", who, what)
}

// updateAppClients gives the app clients of the profiles the new settings.
func (w *writer) updateAppClients(ctx context.Context, before, after *configuration.Configuration, unchanged bool) error {
	if w.pool == nil {
		w.op.infof("no app client was updated (--skip-pool); the janitor adds missing scopes within the hour, and dcrctl profile apply does the rest")
		return nil
	}
	if w.stored.deployment.Mode != broker.ModeBrokered {
		return nil // the app clients of direct mode belong to their clients
	}
	// The use cases of this process must not use the version before.
	w.pool.parts.Configuration = func(context.Context) (*configuration.Configuration, error) { return after, nil }
	if unchanged {
		before = nil // an earlier run may have been interrupted
	}
	progress := w.op.progress()
	defer progress.end()
	for _, name := range staleProfiles(before, after) {
		progress.updatef("updating the app clients of profile %s", name)
		p, _ := after.Policy.Profile(name)
		n, err := w.pool.Maintainer.ApplyProfile(ctx, p, w.caller)
		if n > 0 {
			w.done.AppClients = append(w.done.AppClients, updatedProfile{name, n})
		}
		if err != nil {
			progress.end()
			w.op.infof("The configuration is in force, but not every app client has its settings. The janitor adds missing scopes within the hour; run the command again to update the rest.")
			return fmt.Errorf("profile %s, %s updated: %w", name, plural(n, "app client", "app clients"), err)
		}
	}
	progress.end()
	for _, u := range w.done.AppClients {
		w.op.infof("profile %s: %s updated", u.Profile, plural(u.Updated, "app client", "app clients"))
	}
	return nil
}

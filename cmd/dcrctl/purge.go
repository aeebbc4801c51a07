package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dcr-broker/dcr-broker/internal/adapter/cognito"
	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/internal/wire/pool"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

type purgeCmd struct {
	DryRun bool `help:"Change nothing; list what would be removed."`
	confirmation
}

// Help returns the text that --help shows below the first line.
func (*purgeCmd) Help() string {
	return `Use purge only if the deployment's functions are gone: a deployment that still runs loses all its clients.

purge needs AWS_REGION, USER_POOL_ID and DEPLOYMENT_ID as the deployment had them, and TABLE_NAME if the table still exists. It removes the app clients that carry the deployment's mark, with their branding styles, and the records in the table if the table is marked as this deployment's. It touches nothing else: it lists the table itself and the keys for you to remove.`
}

// leftover is something that a deployment has left behind, as JSON.
type leftover struct {
	// Kind is app_client, records, table or keys.
	Kind string `json:"kind"`
	ID   string `json:"id"`
	// Count is the number of records.
	Count int `json:"count,omitempty"`
	// Removed reports whether it was removed. If not, Note says why.
	Removed bool   `json:"removed"`
	Note    string `json:"note,omitempty"`

	marker string
}

// leftovers is a deployment whose stack was deleted.
type leftovers struct {
	op     *operator
	config *environment.Environment
	sdk    aws.Config
	apps   *cognito.AppClients
	store  *records.Store // nil without a table
	caller string
	log    *slog.Logger
}

func (c *purgeCmd) Run(ctx context.Context, op *operator) error {
	l, err := newLeftovers(ctx, op)
	if err != nil {
		return err
	}
	found, err := l.find(ctx)
	if err != nil {
		return err
	}
	removable := slices.ContainsFunc(found, leftover.removable)
	if c.DryRun || !removable {
		return l.write(found, "Nothing was changed.")
	}
	if !c.Yes && !op.json {
		if err := l.write(found, ""); err != nil {
			return err
		}
	}
	question := fmt.Sprintf(`This removes %s and %s permanently. If the deployment still runs, it loses all its clients.
Type the deployment's id (%s) to continue:`, plural(count(found, "app_client"), "app client", "app clients"),
		plural(countOf(found), "record", "records"), l.config.DeploymentID)
	if err := c.confirmWord(ctx, op, l.config.DeploymentID, " ", question); err != nil {
		return err
	}
	err = l.remove(ctx, found)
	if c.Yes || op.json {
		err = errors.Join(err, l.write(found, ""))
	}
	removed := 0
	for _, f := range found {
		if f.Kind == "app_client" && f.Removed {
			removed++
		}
	}
	op.infof("%s removed", plural(removed, "app client", "app clients"))
	return err
}

func newLeftovers(ctx context.Context, op *operator) (*leftovers, error) {
	c, err := environment.Inventory(op.getenv)
	if err != nil {
		return nil, &environmentError{err}
	}
	sdk, err := op.sdk(ctx, c.Region)
	if err != nil {
		return nil, err
	}
	log, err := op.log()
	if err != nil {
		return nil, err
	}
	// Calls of Cognito are limited in memory: the table may no longer exist, and
	// the deployment's functions no longer make calls.
	apps, err := pool.AppClients(&wire.Parts{Environment: c, SDK: sdk, Store: memory.NewStore(op.now), Now: op.now})
	if err != nil {
		return nil, &environmentError{err}
	}
	l := &leftovers{op: op, config: c, sdk: sdk, apps: apps, caller: op.caller(ctx, sdk), log: log}
	if c.Table != "" {
		l.store = wire.Table(c, sdk)
	}
	return l, nil
}

// find returns everything that the deployment has left behind. It changes
// nothing.
func (l *leftovers) find(ctx context.Context) ([]leftover, error) {
	var found []leftover
	for a, err := range l.apps.List(ctx) {
		if err != nil {
			return nil, err
		}
		found = append(found, leftover{Kind: "app_client", ID: a.ID, marker: a.Marker})
	}
	slices.SortFunc(found, func(a, b leftover) int { return cmp.Compare(a.ID, b.ID) })
	table, err := l.table(ctx)
	if err != nil {
		return nil, err
	}
	found = append(found, table...)
	for _, d := range []struct{ kind, at string }{{"keys", l.config.Keys}} {
		if d.at != "" {
			found = append(found, leftover{Kind: d.kind, ID: d.at, Note: "remove it yourself"})
		}
	}
	return found, nil
}

// table returns the table and, if it is marked as the deployment's, its records.
func (l *leftovers) table(ctx context.Context) ([]leftover, error) {
	if l.store == nil {
		return nil, nil
	}
	counts, err := l.store.CountRecords(ctx)
	if _, gone := errors.AsType[*types.ResourceNotFoundException](err); gone {
		return []leftover{{Kind: "table", ID: l.config.Table, Note: "does not exist"}}, nil
	}
	if err != nil {
		return nil, err
	}
	if len(counts) == 0 {
		return []leftover{{Kind: "table", ID: l.config.Table, Note: "empty; remove it yourself"}}, nil
	}
	d, err := l.store.TableOwner(ctx)
	switch {
	case errors.Is(err, broker.ErrNotFound):
		return []leftover{{Kind: "table", ID: l.config.Table, Note: "left alone: it is not marked as this deployment's"}}, nil
	case err != nil:
		return nil, err
	case d.ID != l.config.DeploymentID:
		return []leftover{{Kind: "table", ID: l.config.Table, Note: fmt.Sprintf("left alone: it belongs to the deployment %q", d.ID)}}, nil
	}
	var found []leftover
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		found = append(found, leftover{Kind: "records", ID: kind, Count: counts[kind]})
	}
	return append(found, leftover{Kind: "table", ID: l.config.Table, Note: "remove it yourself"}), nil
}

func (f leftover) removable() bool { return f.Kind == "app_client" || f.Kind == "records" }

func count(found []leftover, kind string) int {
	n := 0
	for _, f := range found {
		if f.Kind == kind {
			n++
		}
	}
	return n
}

func countOf(found []leftover) int {
	n := 0
	for _, f := range found {
		n += f.Count
	}
	return n
}

// remove removes the app clients first, so that the table is still marked as the
// deployment's while any of them is left.
func (l *leftovers) remove(ctx context.Context, found []leftover) error {
	progress := l.op.progress()
	defer progress.end()
	actor := telemetry.Actor{Kind: "operator", ID: l.caller}
	for i := range found {
		f := &found[i]
		if f.Kind != "app_client" {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := l.apps.Delete(ctx, f.ID, f.marker); err != nil {
			return fmt.Errorf("app client %s: %w", f.ID, err)
		}
		f.Removed = true
		progress.updatef("%d of %d app clients removed", i+1, count(found, "app_client"))
		telemetry.Audit{Event: telemetry.AppClientRemoved, Actor: actor, AppClient: f.ID}.Log(ctx, l.log)
	}
	if l.store == nil || countOf(found) == 0 {
		return nil
	}
	n, err := l.store.DeleteRecords(ctx, func(n int) { progress.updatef("%d of %d records removed", n, countOf(found)) })
	if n > 0 {
		telemetry.Audit{Event: tableEmptied, Actor: actor, Before: []slog.Attr{slog.String("table", l.config.Table), slog.Int("records", n)}}.Log(ctx, l.log)
	}
	if err != nil {
		return err
	}
	for i := range found {
		if found[i].Kind == "records" {
			found[i].Removed = true
		}
	}
	return nil
}

// tableEmptied is an audit event that only purge writes.
const tableEmptied telemetry.Event = "table.emptied"

func (l *leftovers) write(found []leftover, note string) error {
	if !l.op.json && note == "" && len(found) == 0 {
		return nil
	}
	err := emit(l.op, found, "Nothing is left of this deployment.", []column[leftover]{
		{"KIND", func(f leftover) string { return strings.ReplaceAll(f.Kind, "_", " ") }},
		{"WHAT", func(f leftover) string { return f.ID }},
		{"COUNT", func(f leftover) string {
			if f.Count == 0 {
				return ""
			}
			return fmt.Sprint(f.Count)
		}},
		{"", func(f leftover) string {
			switch {
			case f.Removed:
				return "removed"
			case f.removable():
				return "will be removed"
			}
			return f.Note
		}},
	})
	if note != "" {
		l.op.infof("%s", note)
	}
	return err
}

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker/usecase"
)

type sweepCmd struct {
	DryRun      bool `help:"Change nothing, and list what would be done."`
	AcceptTable bool `help:"Say that the table is this deployment's, although it does not say so or was restored from a backup. The next sweep deletes the app clients of this deployment that it does not know."`
	AcceptMany  bool `help:"Believe it when more app clients have no record, or more records no app client, than a sweep believes by itself, and deal with them too. Lists what it will do, and asks."`
	confirmation
}

// swept is what was done, or would be, as JSON.
type swept struct {
	DryRun bool `json:"dry_run"`
	usecase.Swept
	// Steps are what was begun, one after the other.
	Steps []usecase.SweepStep `json:"steps"`
}

// what a step does, for people.
var stepMeans = map[usecase.SweepAction]string{
	usecase.SweepFinish:    "finish or undo what was left half done",
	usecase.SweepLook:      "look whether the app client is needed and has its scopes",
	usecase.SweepGrow:      "give the shared app client the scopes of its profile",
	usecase.SweepEndGrants: "end the grants of a client that was disabled or deleted",
	usecase.SweepExpire:    "remove a client whose lifetime has ended",
	usecase.SweepOrphan:    "delete an app client of ours that no record knows",
	usecase.SweepGone:      "forget an app client that does not exist any more",
}

func (c *sweepCmd) Run(ctx context.Context, op *operator) error {
	d, err := op.deployment(ctx)
	if err != nil {
		return err
	}
	if c.AcceptTable && c.AcceptMany {
		return usagef("--accept-table only makes the table this deployment's, and --accept-many sweeps; do one after the other")
	}
	if c.AcceptTable {
		return c.accept(ctx, op, d)
	}
	if !c.DryRun && !c.Yes {
		if err := c.confirm(ctx, op, d); err != nil {
			return err
		}
	}
	did, err := c.sweep(ctx, op, d, c.DryRun)
	return errors.Join(err, did.write(op, err))
}

func (c *sweepCmd) sweep(ctx context.Context, op *operator, d *deployment, dry bool) (swept, error) {
	did := swept{DryRun: dry, Steps: []usecase.SweepStep{}}
	progress := op.progress()
	defer progress.end()
	var err error
	did.Swept, err = d.service.Sweep(ctx, usecase.SweepOptions{DryRun: dry, AcceptMany: c.AcceptMany, Report: func(x usecase.SweepStep) {
		did.Steps = append(did.Steps, x)
		progress.say("%d: %s %s", len(did.Steps), x.Action, x.ClientID+x.CognitoID)
	}})
	if errors.Is(err, usecase.ErrForeignTable) {
		err = fmt.Errorf("%w\nNothing was changed. If the table is right, and it is the pool that has too much, dcrctl sweep --accept-table says so; see docs/operations.md, The table is lost", err)
	}
	return did, err
}

// confirm says what a sweep would do, and asks. Where nothing is due there is
// nothing to ask.
func (c *sweepCmd) confirm(ctx context.Context, op *operator, d *deployment) error {
	would, err := c.sweep(ctx, op, d, true)
	if err != nil && !errors.Is(err, usecase.ErrTooMany) { // which does not hold up the rest
		return err
	}
	if len(would.Steps) == 0 {
		return nil
	}
	if c.AcceptMany && !op.json {
		if err := would.print(op, errNotConfirmed); err != nil {
			return err
		}
	}
	counts := make(map[usecase.SweepAction]int)
	for _, x := range would.Steps {
		counts[x.Action]++
	}
	var text strings.Builder
	for _, action := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(&text, "%5d  %s: %s\n", counts[action], action, stepMeans[action])
	}
	if !c.AcceptMany {
		text.WriteString("dcrctl sweep --dry-run lists them. ")
	}
	return c.ask(ctx, op, "%sSweep?", text.String())
}

// write writes it, and returns an error if it was not done wholly.
func (s swept) write(op *operator, failure error) error {
	err := s.print(op, failure)
	if s.Failed > 0 && failure == nil {
		err = errors.Join(err, fmt.Errorf("%s failed; the next sweep tries again", plural(s.Failed, "record", "records")))
	}
	return err
}

func (s swept) print(op *operator, failure error) error {
	if op.json {
		return op.writeJSON([]swept{s})
	}
	if s.DryRun {
		err := emit(op, s.Steps, "Nothing is due.", []column[usecase.SweepStep]{
			{"STEP", func(x usecase.SweepStep) string { return string(x.Action) }},
			{"CLIENT", func(x usecase.SweepStep) string { return x.ClientID }},
			{"APP CLIENT", func(x usecase.SweepStep) string { return x.CognitoID }},
			{"WHAT", func(x usecase.SweepStep) string { return stepMeans[x.Action] }},
		})
		if failure == nil {
			op.note("Nothing was changed.")
		}
		return err
	}
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{
		{s.Completed, "completed"}, {s.Restored, "restored"}, {s.Removed, "removed"}, {s.Grown, "given scopes"}, {s.Expired, "clients expired"},
		{s.EndedGrants, "grants ended"}, {s.Orphans, "orphans deleted"}, {s.Gone, "forgotten"}, {s.Failed, "failed"},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", p.what, p.n))
		}
	}
	if len(parts) == 0 {
		parts = []string{"nothing to do"}
	}
	op.note("swept: %s", strings.Join(parts, ", "))
	return nil
}

func (c *sweepCmd) accept(ctx context.Context, op *operator, d *deployment) error {
	if c.DryRun {
		return usagef("--accept-table changes the table, and --dry-run wants nothing changed; take one of them")
	}
	err := c.ask(ctx, op, `The table %s becomes the table of the deployment %q.
The next sweep then deletes every app client of this deployment in %s that the table does not know; their users
have to sign in again. dcrctl purge lists all that there are.
Is the table the right one?`, d.config.Table, d.config.Deployment, d.config.UserPoolID)
	if err != nil {
		return err
	}
	if err := d.service.AcceptTable(ctx, d.by); err != nil {
		return err
	}
	if op.json {
		return op.writeJSON([]any{struct {
			Table      string `json:"table"`
			Deployment string `json:"deployment"`
		}{d.config.Table, d.config.Deployment}})
	}
	op.note("the table %s is that of the deployment %s; dcrctl sweep --dry-run says what the next sweep will do", d.config.Table, d.config.Deployment)
	return nil
}

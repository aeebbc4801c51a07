package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker/janitor"
)

type sweepCmd struct {
	DryRun      bool `help:"Change nothing; list what would be done."`
	AcceptTable bool `help:"Accept the table as this deployment's, although it is not marked as such or was restored from a backup. The next sweep deletes the app clients of this deployment that have no record in it."`
	AcceptMany  bool `help:"Also delete app clients without a record and forget records without an app client if there are so many that a sweep leaves them alone. Lists the steps, and asks for confirmation."`
	confirmation
}

// sweepResult is what a sweep has done, or would do, as JSON.
type sweepResult struct {
	DryRun bool `json:"dry_run"`
	janitor.Report
	// Steps are the steps that were begun, in order.
	Steps []janitor.Step `json:"steps"`
}

// stepText describes what a step does.
var stepText = map[janitor.Action]string{
	janitor.ActionFinish:    "finish or undo a change that was interrupted",
	janitor.ActionLook:      "check whether the app client is needed and has its scopes",
	janitor.ActionGrow:      "add the scopes of its profile to the shared app client",
	janitor.ActionEndGrants: "end the grants of a client that was disabled or deleted",
	janitor.ActionExpire:    "remove a client whose lifetime has ended",
	janitor.ActionOrphan:    "delete an app client of this deployment that has no record",
	janitor.ActionGone:      "forget an app client that does not exist any more",
}

func (c *sweepCmd) Run(ctx context.Context, op *operator) error {
	d, err := op.deployment(ctx)
	if err != nil {
		return err
	}
	if c.AcceptTable && c.AcceptMany {
		return usagef("--accept-table and --accept-many cannot be combined; run one after the other")
	}
	if c.AcceptTable {
		return c.accept(ctx, op, d)
	}
	if !c.DryRun && !c.Yes {
		if err := c.confirmPlan(ctx, op, d); err != nil {
			return err
		}
	}
	result, err := c.sweep(ctx, op, d, c.DryRun)
	return errors.Join(err, result.write(op, err))
}

func (c *sweepCmd) sweep(ctx context.Context, op *operator, d *deployment, dry bool) (sweepResult, error) {
	result := sweepResult{DryRun: dry, Steps: []janitor.Step{}}
	progress := op.progress()
	defer progress.end()
	var err error
	result.Report, err = d.Janitor.Sweep(ctx, janitor.Options{DryRun: dry, AcceptMany: c.AcceptMany, OnStep: func(x janitor.Step) {
		result.Steps = append(result.Steps, x)
		progress.updatef("%d: %s %s", len(result.Steps), x.Action, x.ClientID+x.CognitoID)
	}})
	if errors.Is(err, janitor.ErrForeignTable) {
		err = fmt.Errorf("%w\nNothing was changed. If this is the right table, accept it with dcrctl sweep --accept-table; see docs/operations.md, The table is lost", err)
	}
	return result, err
}

// confirmPlan shows what a sweep would do and asks for confirmation. It does not
// ask if nothing is due.
func (c *sweepCmd) confirmPlan(ctx context.Context, op *operator, d *deployment) error {
	plan, err := c.sweep(ctx, op, d, true)
	// ErrTooMany is about some steps; the sweep does the others.
	if err != nil && !errors.Is(err, janitor.ErrTooMany) {
		return err
	}
	if len(plan.Steps) == 0 {
		return nil
	}
	if c.AcceptMany && !op.json {
		if err := plan.print(op, errNotConfirmed); err != nil {
			return err
		}
	}
	counts := make(map[janitor.Action]int)
	for _, x := range plan.Steps {
		counts[x.Action]++
	}
	var text strings.Builder
	for _, action := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(&text, "%5d  %s: %s\n", counts[action], action, stepText[action])
	}
	if !c.AcceptMany {
		text.WriteString("dcrctl sweep --dry-run lists them. ")
	}
	return c.confirmf(ctx, op, "%sSweep?", text.String())
}

// write writes the result, and returns an error if the sweep failed with some
// records. failure is the error that ended the sweep, if one did.
func (s sweepResult) write(op *operator, failure error) error {
	err := s.print(op, failure)
	if s.Failed > 0 && failure == nil {
		err = errors.Join(err, fmt.Errorf("%s failed; the next sweep tries again", plural(s.Failed, "record", "records")))
	}
	return err
}

func (s sweepResult) print(op *operator, failure error) error {
	if op.json {
		return op.writeJSON([]sweepResult{s})
	}
	if s.DryRun {
		err := emit(op, s.Steps, "Nothing is due.", []column[janitor.Step]{
			{"STEP", func(x janitor.Step) string { return string(x.Action) }},
			{"CLIENT", func(x janitor.Step) string { return x.ClientID }},
			{"APP CLIENT", func(x janitor.Step) string { return x.CognitoID }},
			{"WHAT", func(x janitor.Step) string { return stepText[x.Action] }},
		})
		if failure == nil {
			op.infof("Nothing was changed.")
		}
		return err
	}
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{
		{s.Completed, "completed"}, {s.Restored, "restored"}, {s.Removed, "removed"}, {s.Grown, "given scopes"}, {s.Expired, "clients expired"},
		{s.EndedGrants, "grants ended"}, {s.EndedSignIns, "sign-ins ended"}, {s.Orphans, "orphans deleted"}, {s.Gone, "forgotten"}, {s.Failed, "failed"},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", p.what, p.n))
		}
	}
	if len(parts) == 0 {
		parts = []string{"nothing to do"}
	}
	op.infof("swept: %s", strings.Join(parts, ", "))
	return nil
}

func (c *sweepCmd) accept(ctx context.Context, op *operator, d *deployment) error {
	if c.DryRun {
		return usagef("--accept-table changes the table, so it cannot be combined with --dry-run")
	}
	err := c.confirmf(ctx, op, `The table %s becomes the table of the deployment %q.
The next sweep then deletes every app client of this deployment in %s that has no record in the table; their users
have to sign in again. dcrctl purge --dry-run lists the app clients of this deployment.
Is this the right table?`, d.config.Table, d.config.DeploymentID, d.config.UserPoolID)
	if err != nil {
		return err
	}
	if err := d.Operator.AcceptTable(ctx, d.caller); err != nil {
		return err
	}
	if op.json {
		return op.writeJSON([]any{struct {
			Table      string `json:"table"`
			Deployment string `json:"deployment"`
		}{d.config.Table, d.config.DeploymentID}})
	}
	op.infof("the table %s now belongs to the deployment %s; dcrctl sweep --dry-run lists what the next sweep will do", d.config.Table, d.config.DeploymentID)
	return nil
}

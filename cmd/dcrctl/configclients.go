package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	usecase "github.com/dcr-broker/dcr-broker/pkg/broker/operator"
	"github.com/dcr-broker/dcr-broker/pkg/broker/provision"
)

// updateAppClients gives the app clients of the profiles the settings of the
// newest version.
func (w *writer) updateAppClients(ctx context.Context) error {
	if w.pool == nil {
		w.op.infof("no app client was updated (--skip-pool); the janitor adds missing scopes within the hour, and the next config apply without --skip-pool does the rest")
		return nil
	}
	if w.stored.deployment.Mode != broker.ModeBrokered {
		return nil // the app clients of direct mode belong to their clients
	}
	progress := w.op.progress()
	newer := 0
	updated, err := usecase.RollOut(ctx, usecase.RolloutConfig{
		Store: w.table.Configuration(), Deployment: w.stored.deployment, Now: w.op.now,
		All: w.done.Unchanged, // functions may have created app clients under the version before
		Update: func(ctx context.Context, conf *configuration.Configuration, profile string) (int, error) {
			if conf.Version != w.done.Version {
				newer = conf.Version
			}
			progress.updatef("updating the app clients of profile %s", profile)
			// The use cases of this process must not use the version before.
			w.pool.parts.Configuration = func(context.Context) (*configuration.Configuration, error) { return conf, nil }
			p, _ := conf.Policy.Profile(profile)
			n, err := w.pool.Maintainer.ApplyProfile(ctx, p, w.caller)
			return n, applyFailure(err)
		},
	})
	progress.end()
	w.done.AppClients = updated
	if newer != 0 {
		w.op.infof("version %d was stored in the meantime, so the app clients get its settings", newer)
	}
	for _, u := range updated {
		w.op.infof("profile %s: %s updated", u.Profile, plural(u.Updated, "app client", "app clients"))
	}
	if err != nil {
		w.op.infof("The configuration is in force, but not every app client has its settings. The janitor adds missing scopes within the hour; run the command again to update the rest.")
	}
	return err
}

// applyFailure returns an error of ApplyProfile with a line for each app client
// that was not updated, at most ten.
func applyFailure(err error) error {
	e, ok := errors.AsType[*provision.ApplyError](err)
	if !ok {
		return err
	}
	const most = 10
	text := []string{plural(len(e.Failures), "app client was", "app clients were") + " not updated:"}
	for _, f := range e.Failures[:min(len(e.Failures), most)] {
		text = append(text, fmt.Sprintf("  %s: %s", f.Key, failureText(f.Err)))
	}
	if n := len(e.Failures) - most; n > 0 {
		text = append(text, fmt.Sprintf("  and %d more", n))
	}
	return &appClientsError{strings.Join(text, "\n"), err}
}

// appClientsError has the text for the operator.
type appClientsError struct {
	text string
	err  error
}

func (e *appClientsError) Error() string { return e.text }
func (e *appClientsError) Unwrap() error { return e.err }

// failureText returns the text of an error for the operator, whose credentials
// make the calls here.
func failureText(err error) string {
	api, isAPI := errors.AsType[smithy.APIError](err)
	call, isCall := errors.AsType[*smithy.OperationError](err)
	switch {
	case isAPI && isCall && slices.Contains([]string{"AccessDenied", "AccessDeniedException", "NotAuthorizedException"}, api.ErrorCode()):
		return "your credentials do not allow cognito-idp:" + call.Operation()
	case errors.Is(err, broker.ErrConflict):
		return "other programs changed its record at the same time"
	}
	return err.Error()
}

package provision_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/provision"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/world"
)

// newDedicated returns a deployment with three dedicated app clients of the
// profile trusted.
func newDedicated(t *testing.T) (w *world.Brokered, keys []string) {
	w = world.NewBrokered(t)
	for range 3 {
		id, _ := w.Vouched("trusted", strings.Replace(world.ConfidentialBody, `{`, `{"scope":"mcp/read",`, 1))
		keys = append(keys, "client/"+id+"/"+w.Registration(id).Generation)
		w.MustProvision(keys[len(keys)-1])
	}
	w.Pool.Reset()
	return w, keys
}

// An app client that cannot be updated does not keep ApplyProfile from the
// others.
func TestApplyProfileGoesOn(t *testing.T) {
	for _, point := range []fake.Point{fake.NotApplied, fake.ReplyLost} {
		w, keys := newDedicated(t)
		w.Pool.FailCall("UpdateBrokered", 1, point)
		n, err := w.ApplyProfile(t.Context(), "trusted", "ada")
		e, ok := errors.AsType[*provision.ApplyError](err)
		if n != 2 || !ok || len(e.Failures) != 1 || !errors.Is(err, fake.ErrInjected) || !strings.Contains(err.Error(), e.Failures[0].Key) {
			t.Errorf("%s: ApplyProfile = %d, %v, want 2 and an ApplyError with one of %q", point, n, err, keys)
		}
		if n, err := w.ApplyProfile(t.Context(), "trusted", "ada"); n != 3 || err != nil {
			t.Errorf("%s: again = %d, %v, want 3", point, n, err)
		}
	}
}

// Another program changes the record between the read and the write: the app
// client is updated again, from the new record. If that happens each time,
// ApplyProfile says so.
func TestApplyProfileRepeatsConflicts(t *testing.T) {
	w, keys := newDedicated(t)
	conflicts := 0
	conflict := func(n int) {
		conflicts = n
		w.Pool.Around("UpdateBrokered", func(do func() error) error {
			err := do()
			if conflicts > 0 {
				conflicts--
				a, readErr := w.Inner.AppClient(t.Context(), keys[0])
				if readErr == nil {
					readErr = w.Inner.ReplaceAppClient(t.Context(), a)
				}
				if readErr != nil {
					t.Error(readErr)
				}
			}
			return err
		})
	}
	for key := range w.Inner.AppClientKeys(t.Context()) {
		keys[0] = key // the first one that is updated
		break
	}
	conflict(2)
	if n, err := w.ApplyProfile(t.Context(), "trusted", "ada"); n != 3 || err != nil || w.Pool.Calls("UpdateBrokered") != 5 {
		t.Errorf("after two conflicts: ApplyProfile = %d, %v with %d updates, want 3 with 5", n, err, w.Pool.Calls("UpdateBrokered"))
	}
	conflict(1000)
	n, err := w.ApplyProfile(t.Context(), "trusted", "ada")
	if e, ok := errors.AsType[*provision.ApplyError](err); n != 2 || !ok || len(e.Failures) != 1 || e.Failures[0].Key != keys[0] || !errors.Is(err, broker.ErrConflict) {
		t.Errorf("with conflicts all the time: ApplyProfile = %d, %v, want 2 and the conflict", n, err)
	}
}

// The audit event of an app client that keeps its scopes does not have them as
// before and after.
func TestTheEventOfSettings(t *testing.T) {
	w, _ := newDedicated(t)
	log := new(fake.Log)
	m, err := provision.NewMaintainer(provision.MaintainerConfig{Store: w.Inner, Pool: w.Pool, Now: w.Now, Log: slog.New(slog.NewJSONHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	pol, err := w.PolicySource(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p, _ := pol.Profile("trusted")
	if _, err := m.ApplyProfile(t.Context(), p, "ada"); err != nil {
		t.Fatal(err)
	}
	if log := log.String(); strings.Count(log, `"after":{"settings":true}`) != 3 || strings.Contains(log, `"before"`) {
		t.Errorf("the events are\n%s, want three with settings and none with before", log)
	}
}

func TestApplyProfileIsInterrupted(t *testing.T) {
	w, _ := newDedicated(t)
	ctx, cancel := context.WithCancel(t.Context())
	w.Pool.After("UpdateBrokered", func() error { cancel(); return nil })
	if _, err := w.ApplyProfile(ctx, "trusted", "ada"); !errors.Is(err, context.Canceled) || w.Pool.Calls("UpdateBrokered") != 1 {
		t.Errorf("ApplyProfile = %v after %d updates, want %v after 1", err, w.Pool.Calls("UpdateBrokered"), context.Canceled)
	}
}

// An app client that an operator has deleted at Cognito is named.
func TestApplyProfileNamesAppClientsThatAreGone(t *testing.T) {
	w, keys := newDedicated(t)
	w.Pool.Drop(w.AppClient(keys[1]).CognitoID)
	n, err := w.ApplyProfile(t.Context(), "trusted", "ada")
	e, ok := errors.AsType[*provision.ApplyError](err)
	if n != 2 || !ok || len(e.Failures) != 1 || e.Failures[0].Key != keys[1] || !strings.Contains(err.Error(), "gone at Cognito") {
		t.Errorf("ApplyProfile = %d, %v, want 2 and that %s is gone", n, err, keys[1])
	}
}

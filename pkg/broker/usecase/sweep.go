package usecase

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

const (
	// sweepMargin is how long before the end of its context a sweep stops, so
	// that what it is at can be finished and its place saved; half of the time,
	// if it has less than a minute.
	sweepMargin = 30 * time.Second
	// savePlaceEvery is after how many records a sweep saves its place.
	savePlaceEvery = 50
)

// Swept counts what Sweep did, or would do.
type Swept struct {
	// Completed app clients serve a registration and now say so. Registrations
	// that were left in the making and are complete count as well.
	Completed int `json:"completed"`
	// Restored app clients have been given the settings of their registration
	// again after an update of unknown outcome.
	Restored int `json:"restored"`
	// Removed app clients, with the registrations they served in direct mode,
	// and registrations that were left in the making.
	Removed int `json:"removed"`
	// Grown app clients have been given scopes that their profile or
	// registration has more than before.
	Grown int `json:"grown"`
	// Expired registrations have come to the end of a lifetime of their profile.
	Expired int `json:"expired"`
	// EndedGrants are of registrations that have expired, or that an operator
	// has disabled or deleted.
	EndedGrants int `json:"ended_grants"`
	// Orphans are app clients that carry our mark and had no record.
	Orphans int `json:"orphans"`
	// Gone app clients had a record and did not exist.
	Gone int `json:"gone"`
	// Failed ones are tried again at the next run.
	Failed int `json:"failed"`
	// Backlog are records that are due and that were not looked at, as far as
	// they could still be counted.
	Backlog int `json:"backlog"`
	// Unfinished is whether the time was up before all was looked at. The next
	// run goes on from there.
	Unfinished bool `json:"unfinished"`
}

// LogValue logs the counts.
func (w Swept) LogValue() slog.Value {
	return slog.GroupValue(slog.Int("completed", w.Completed), slog.Int("restored", w.Restored),
		slog.Int("removed", w.Removed), slog.Int("grown", w.Grown), slog.Int("expired", w.Expired),
		slog.Int("ended_grants", w.EndedGrants), slog.Int("orphans", w.Orphans), slog.Int("gone", w.Gone),
		slog.Int("failed", w.Failed), slog.Int("backlog", w.Backlog), slog.Bool("unfinished", w.Unfinished))
}

// SweepOptions say how to sweep. The zero value is as the schedule does.
type SweepOptions struct {
	// DryRun changes nothing, and counts and reports what would be done.
	DryRun bool
	// AcceptMany believes it when so many are without record, or without app
	// client, that a sweep stops with ErrTooMany.
	AcceptMany bool
	// Report, if not nil, is told of each thing before it is done.
	Report func(SweepStep)
}

// A SweepStep is one thing that a sweep does.
type SweepStep struct {
	Action SweepAction `json:"action"`
	// Key is that of the record of an app client, or empty.
	Key string `json:"key,omitempty"`
	// ClientID is that of a registration, or empty.
	ClientID string `json:"client_id,omitempty"`
	// CognitoID is that of an app client, or empty.
	CognitoID string `json:"cognito_id,omitempty"`
}

// SweepAction is what a sweep does.
type SweepAction string

// What a sweep does.
const (
	// SweepFinish finishes or undoes what was left half done with an app client.
	SweepFinish SweepAction = "finish"
	// SweepLook looks whether an app client is still needed and has its scopes.
	SweepLook SweepAction = "look"
	// SweepGrow gives a shared app client the scopes that its profile has more.
	SweepGrow SweepAction = "grow"
	// SweepEndGrants ends the grants of a registration that an operator has
	// disabled or deleted.
	SweepEndGrants SweepAction = "end_grants"
	// SweepExpire removes a registration whose lifetime has ended.
	SweepExpire SweepAction = "expire"
	// SweepOrphan deletes an app client that carries our mark and has no record,
	// or, in direct mode, makes the record if there is a registration.
	SweepOrphan SweepAction = "orphan"
	// SweepGone forgets an app client that does not exist any more.
	SweepGone SweepAction = "gone"
)

// Sweep is what the janitor does once an hour. It finishes or undoes every app
// client whose making, updating or removal was begun more than two minutes ago
// and not completed. It removes registrations whose lifetime has ended, with
// their grants and dedicated app clients, and ends the grants of those that an
// operator has disabled or deleted. It deletes app clients of ours that have no
// record, forgets those that do not exist any more, and, if there is an Updater,
// gives app clients the scopes that they lack.
//
// It stops thirty seconds before ctx ends, or after half of the time if there is
// less than a minute, and the next one goes on from there.
// Several may run at once. It returns an error, besides what it has done, if it
// could not read what is due or what Cognito has, if Cognito asks to be left
// alone, or if something is so wrong that an operator has to look: an error that
// wraps ErrForeignTable or ErrTooMany.
func (s *Service) Sweep(ctx context.Context, o SweepOptions) (Swept, error) {
	var done Swept
	switch {
	case s.apps == nil || s.deployment == "":
		return done, errors.New("sweep: needs AppClients and Deployment")
	case s.mode == broker.ModeBrokered && s.grants == nil:
		return done, errors.New("sweep: needs Grants")
	}
	pol, err := s.policy(ctx)
	if err != nil {
		return done, fmt.Errorf("sweep: policy: %w", err)
	}
	run := &sweep{Service: s, SweepOptions: o, done: &done, policy: pol}
	if end, ok := ctx.Deadline(); ok {
		run.end = end.Add(-min(sweepMargin, time.Until(end)/2))
	}
	err = run.all(ctx)
	if !o.DryRun {
		run.observe(ctx, err)
	}
	if err != nil {
		return done, fmt.Errorf("sweep: %w", err)
	}
	return done, ctx.Err()
}

// sweep is one run.
type sweep struct {
	*Service
	SweepOptions
	done   *Swept
	policy *policy.Policy
	// end is when to stop; zero is never.
	end    time.Time
	listed *listing
}

func (s *sweep) all(ctx context.Context) error {
	unmended, err := s.compare(ctx)
	if err != nil {
		return err
	}
	// What is due is not held up by there being too many orphans, or by one that
	// Cognito would not delete now.
	return errors.Join(unmended, s.growShared(ctx), s.dueRecords(ctx))
}

// stop reports whether the time is up, and notes it.
func (s *sweep) stop(ctx context.Context) bool {
	s.done.Unfinished = s.done.Unfinished || ctx.Err() != nil || !s.end.IsZero() && !time.Now().Before(s.end)
	return s.done.Unfinished
}

// step tells of what is done next, and reports whether to do it.
func (s *sweep) step(x SweepStep) bool {
	if s.Report != nil {
		s.Report(x)
	}
	return !s.DryRun
}

// failed counts and logs what did not succeed. It returns an error if the sweep
// must not go on: Cognito has asked to be left alone. That others of the
// deployment have been faster to call it is no reason: each call waits its turn.
func (s *sweep) failed(ctx context.Context, key string, err error) error {
	if s.stop(ctx) && errors.Is(err, context.DeadlineExceeded) {
		return nil // it was cut short, and did not fail
	}
	if errors.Is(err, broker.ErrConflict) || errors.Is(err, broker.ErrExists) {
		return nil // another is at work on it, and it stays due until that is done
	}
	s.done.Failed++
	s.log.ErrorContext(ctx, "sweep", "key", key, "error", err)
	if e, ok := errors.AsType[*dcr.Error](err); ok && e.Code == dcr.Unavailable && !errors.Is(err, broker.ErrNoSlot) {
		return err
	}
	return nil
}

// dueRecords deals with what is due, beginning where the last sweep stopped.
func (s *sweep) dueRecords(ctx context.Context) error {
	began, err := s.store.SweepPlace(ctx)
	if err != nil {
		return fmt.Errorf("read place: %w", err)
	}
	place, seen := began, 0
	save := func() error {
		if s.DryRun || place == began {
			return nil
		}
		// Also when ctx has ended meanwhile.
		ctx, cancel := broker.CleanupContext(ctx)
		defer cancel()
		if err := s.store.SetSweepPlace(ctx, place); err != nil {
			return fmt.Errorf("save place: %w", err)
		}
		began = place
		return nil
	}
	var enough error // why not to go on, though there is time
	for d, err := range s.store.Due(ctx, s.now(), began) {
		if err != nil {
			return errors.Join(enough, fmt.Errorf("list what is due: %w", err), save())
		}
		if enough != nil || s.stop(ctx) {
			if s.done.Backlog++; s.tooLateToCount(ctx) {
				break
			}
			continue
		}
		place = d.Place
		if err := s.dueRecord(ctx, d); err != nil {
			enough = s.failed(ctx, d.Key, err)
		}
		if seen++; enough == nil && seen%savePlaceEvery == 0 {
			enough = save()
		}
	}
	if s.done.Backlog == 0 && enough == nil {
		place = "" // all was looked at
	}
	return errors.Join(enough, save())
}

func (s *sweep) dueRecord(ctx context.Context, d broker.DueRecord) error {
	if d.Kind == broker.DueRegistration {
		return s.registration(ctx, d.Key)
	}
	a, err := s.store.AppClient(ctx, d.Key)
	if errors.Is(err, broker.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if a.Due.IsZero() || a.Due.After(s.now()) {
		return nil // somebody was faster
	}
	x := SweepStep{Action: SweepFinish, Key: a.Key, ClientID: a.ClientID, CognitoID: a.CognitoID}
	if a.State == broker.AppClientReady || a.State == broker.AppClientVacant {
		x.Action = SweepLook
	}
	if !s.step(x) {
		return nil
	}
	switch a.Kind {
	case broker.KindRegistering:
		return s.registering(ctx, a)
	case broker.KindShared, broker.KindDedicated:
		return s.brokered(ctx, a)
	}
	return s.direct(ctx, a)
}

// listing is what Cognito listed of our app clients.
type listing struct {
	at  time.Time
	all []broker.ListedAppClient
	ids map[string][]string // by marker
}

// list reads what there is at Cognito.
func (s *sweep) list(ctx context.Context) (*listing, error) {
	l := &listing{at: s.now(), ids: make(map[string][]string)}
	for c, err := range s.apps.List(ctx) {
		if err != nil {
			return nil, fmt.Errorf("list app clients: %w", err)
		}
		l.all = append(l.all, c)
		l.ids[c.Marker] = append(l.ids[c.Marker], c.ID)
	}
	s.listed = l
	telemetry.Set(ctx, telemetry.AppClientsHeld, float64(len(l.all)))
	return l, nil
}

// atCognito returns the ids of the app clients that carry the marker, which was
// made long enough ago for all that ever will to be there. A list that is older
// than that says nothing about it.
func (s *sweep) atCognito(ctx context.Context, marker string) ([]string, error) {
	l := s.listed
	if made, ok := broker.MarkedAt(marker); l == nil || ok && l.at.Before(made.Add(broker.Grace)) {
		var err error
		if l, err = s.list(ctx); err != nil {
			return nil, err
		}
	}
	return l.ids[marker], nil
}

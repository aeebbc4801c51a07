package usecase

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

const (
	// orphanAge is how long something must have been wrong before it is mended.
	orphanAge = time.Hour
	// Of more orphans, or more app clients gone, than both of these a sweep
	// believes none: it is more likely that the table or the pool is not the one
	// that it should be.
	manyOrphans   = 10
	orphanPercent = 5
)

// ErrTooMany means that so many app clients have no record, or so many records
// no app client, that a sweep has left all of them alone. SweepOptions.AcceptMany
// is for those that are right.
var ErrTooMany = errors.New("too many to be believed")

// compare holds the app clients of the pool against the records, and mends what
// has been wrong for an hour. The records are read first: one that is made
// meanwhile has an app client that is young. unmended is why some of it was left;
// with err, nothing must be done at all.
func (s *sweep) compare(ctx context.Context) (unmended, err error) {
	records, err := s.records(ctx)
	if err != nil {
		return nil, err
	}
	l, err := s.list(ctx)
	if err != nil {
		return nil, err
	}
	d, err := s.ownTable(ctx, len(l.all))
	if err != nil {
		return nil, err
	}
	if s.done.Unfinished {
		return nil, nil // not all records were read
	}
	s.observeStyles(ctx, records)
	orphans := s.orphans(l, records)
	if len(orphans) > 0 {
		// The keys come from an index that may lag, page by page, while records
		// move in it: one that was there all along may have been left out.
		again, err := s.records(ctx)
		if err != nil {
			return nil, err
		}
		if s.done.Unfinished {
			return nil, nil
		}
		orphans = s.orphans(l, append(again, records...))
	}
	for _, o := range orphans {
		if made, _ := broker.MarkedAt(o.Marker); made.Add(skew).Before(d.Began) {
			return nil, s.alarm(ctx, ErrForeignTable, fmt.Sprintf("app client %s was made on %s, before the table was first used on %s",
				o.ID, made.Format(time.DateOnly), d.Began.Format(time.DateOnly)))
		}
	}
	gone := s.gone(l, records)
	return errors.Join(s.mendOrphans(ctx, orphans, len(l.all)), s.mendGone(ctx, gone, len(records))), nil
}

// records are all records of app clients. The keys come from an index that may lag
// behind; those that the policy names, on which most users depend, are read
// whatever the index says.
func (s *sweep) records(ctx context.Context) ([]*broker.AppClient, error) {
	var all []*broker.AppClient
	seen := make(map[string]bool)
	read := func(key string) error {
		if seen[key] {
			return nil
		}
		seen[key] = true
		a, err := s.store.AppClient(ctx, key)
		if errors.Is(err, broker.ErrNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read app client %s: %w", key, err)
		}
		all = append(all, a)
		return nil
	}
	for key, err := range s.store.AppClientKeys(ctx) {
		if err != nil {
			return nil, fmt.Errorf("list app client records: %w", err)
		}
		if s.stop(ctx) {
			return nil, nil
		}
		if err := read(key); err != nil {
			return nil, err
		}
	}
	for _, name := range s.policy.Profiles() {
		if err := read(broker.SharedAppClientKey(name)); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// orphans are the app clients that have carried our mark for an hour, and that no
// record knows.
func (s *sweep) orphans(l *listing, records []*broker.AppClient) []broker.ListedAppClient {
	known := make(map[string]bool)
	for _, a := range records {
		known[a.Marker] = true
		for _, m := range a.Abandoned {
			known[m] = true
		}
	}
	var orphans []broker.ListedAppClient
	for _, c := range l.all {
		if made, ok := broker.MarkedAt(c.Marker); ok && !known[c.Marker] && s.now().Sub(made) >= orphanAge {
			orphans = append(orphans, c)
		}
	}
	return orphans
}

// gone are the records of app clients that have been made an hour ago and that
// Cognito does not list.
func (s *sweep) gone(l *listing, records []*broker.AppClient) []*broker.AppClient {
	listed := make(map[string]bool)
	for _, c := range l.all {
		listed[c.ID] = true
	}
	var gone []*broker.AppClient
	for _, a := range records {
		if a.State == broker.AppClientReady && !listed[a.CognitoID] && s.now().Sub(a.CreatedAt) >= orphanAge {
			gone = append(gone, a)
		}
	}
	return gone
}

func (s *sweep) tooMany(n, of int) bool {
	return !s.AcceptMany && n > manyOrphans && n*100 > of*orphanPercent
}

func (s *sweep) mendOrphans(ctx context.Context, orphans []broker.ListedAppClient, of int) error {
	if s.tooMany(len(orphans), of) {
		return s.alarm(ctx, ErrTooMany, fmt.Sprintf("%d of %d app clients have no record; if that is right, dcrctl sweep --accept-many deletes them", len(orphans), of))
	}
	for _, o := range orphans {
		if s.stop(ctx) {
			return nil
		}
		if !s.step(SweepStep{Action: SweepOrphan, CognitoID: o.ID}) {
			s.done.Orphans++
			continue
		}
		if err := s.mendOrphan(ctx, o); err != nil {
			if err := s.failed(ctx, o.ID, err); err != nil {
				return err
			}
			continue
		}
		s.done.Orphans++
	}
	return nil
}

// mendOrphan deletes an app client that nobody uses. If it is that of a
// registration of direct mode, it is the record that is lacking.
func (s *sweep) mendOrphan(ctx context.Context, o broker.ListedAppClient) error {
	r, err := s.store.Registration(ctx, o.ID)
	if err != nil && !errors.Is(err, broker.ErrNotFound) {
		return fmt.Errorf("read registration %s: %w", o.ID, err)
	}
	if err == nil && r.AppClient != "" && r.State != broker.RegistrationDeleting {
		return s.store.CreateAppClient(ctx, &broker.AppClient{
			Key: r.AppClient, State: broker.AppClientReady, Marker: o.Marker, CognitoID: o.ID, Profile: r.Profile,
			CreatedAt: broker.Seconds(s.now()),
		})
	}
	return s.deleteAppClient(ctx, broker.ByJanitor, &broker.AppClient{}, o.ID, o.Marker)
}

func (s *sweep) mendGone(ctx context.Context, gone []*broker.AppClient, of int) error {
	if s.tooMany(len(gone), of) {
		return s.alarm(ctx, ErrTooMany, fmt.Sprintf("%d of %d records are of app clients that Cognito does not list; if that is right, dcrctl sweep --accept-many forgets them", len(gone), of))
	}
	for _, a := range gone {
		if s.stop(ctx) {
			return nil
		}
		exists, err := s.apps.Exists(ctx, a.CognitoID)
		if err == nil && !exists {
			s.done.Gone++
			if s.step(SweepStep{Action: SweepGone, Key: a.Key, ClientID: a.ClientID, CognitoID: a.CognitoID}) {
				err = s.forget(ctx, a)
			}
		}
		if err != nil {
			if err := s.failed(ctx, a.Key, err); err != nil {
				return err
			}
		}
	}
	return nil
}

// forget takes note that an app client does not exist. One of the broker's own is
// made again when it is needed; a registration of direct mode ends with it.
func (s *sweep) forget(ctx context.Context, a *broker.AppClient) error {
	if a.Kind != broker.KindDirect {
		if err := broker.MarkForRemoval(ctx, s.store, a, s.now()); err != nil {
			return err
		}
		return s.removingBrokered(ctx, a)
	}
	r, err := s.store.Registration(ctx, a.CognitoID)
	if err != nil && !errors.Is(err, broker.ErrNotFound) {
		return fmt.Errorf("read registration %s: %w", a.CognitoID, err)
	}
	if err != nil || r.AppClient != a.Key {
		if err := broker.MarkForRemoval(ctx, s.store, a, s.now()); err != nil {
			return err
		}
		return s.removing(ctx, a)
	}
	if r.State == broker.RegistrationDisabled || r.State == broker.RegistrationDeleted {
		return s.dropAppClient(ctx, r)
	}
	before := r.Clone()
	entomb(r, s.now())
	if err := s.store.ReplaceRegistration(ctx, r); err != nil {
		return fmt.Errorf("retire registration %s: %w", r.ClientID, err)
	}
	s.audit.End(ctx, telemetry.RegistrationRemoved, broker.ByJanitor, before, r.State)
	return s.finishExpiring(ctx, r)
}

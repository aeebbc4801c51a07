package janitor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

// holdings has the result of reading: the records of app clients, and Cognito's
// list. orphans and gone are the mismatches.
type holdings struct {
	records []*broker.AppClient
	listed  []broker.ListedAppClient
	orphans []broker.ListedAppClient
	gone    []*broker.AppClient
}

// read reads the records of app clients and Cognito's list, and compares them.
// It reads the records first: a record that is created later has a young app
// client. After an error the sweep must not change anything, unless the error
// is errTimeUp: then not all records were read, and there are no mismatches.
func (r *Run) read(ctx context.Context) (holdings, error) {
	records, unfinished := r.records(ctx)
	if unfinished != nil && !errors.Is(unfinished, errTimeUp) {
		return holdings{}, unfinished
	}
	l, err := r.list(ctx)
	if err != nil {
		return holdings{}, err
	}
	owner, err := r.ownTable(ctx, len(l.all))
	if err != nil {
		return holdings{}, err
	}
	if unfinished != nil {
		return holdings{}, unfinished
	}
	r.observeStyles(ctx, records)
	now := r.c.Now()
	orphans := orphansOf(l.all, records, now)
	if len(orphans) > 0 {
		// The keys come from an index that may lag, page by page, while records
		// move in it: it may have missed a record that existed all the time.
		again, err := r.records(ctx)
		if err != nil {
			return holdings{}, err
		}
		orphans = orphansOf(l.all, append(again, records...), now)
	}
	for _, o := range orphans {
		if made, _ := broker.MarkedAt(o.Marker); made.Add(skew).Before(owner.Began) {
			return holdings{}, halted(ErrForeignTable, "app client %s was made on %s, before the table was first used on %s",
				o.ID, made.Format(time.DateOnly), owner.Began.Format(time.DateOnly))
		}
	}
	return holdings{records, l.all, orphans, goneOf(l.all, records, now)}, nil
}

// records reads all records of app clients. The keys come from an index that
// may lag behind. The app clients of the policy's profiles, on which most users
// depend, are always read. The error is errTimeUp if there was no time for all.
func (r *Run) records(ctx context.Context) ([]*broker.AppClient, error) {
	store := r.c.Store
	var all []*broker.AppClient
	seen := make(map[string]bool)
	read := func(key string) error {
		if seen[key] {
			return nil
		}
		seen[key] = true
		a, err := store.AppClient(ctx, key)
		if errors.Is(err, broker.ErrNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read app client %s: %w", key, err)
		}
		all = append(all, a)
		return nil
	}
	for key, err := range store.AppClientKeys(ctx) {
		if err != nil {
			return nil, fmt.Errorf("list app client records: %w", err)
		}
		if r.late(ctx) {
			return nil, errTimeUp
		}
		if err := read(key); err != nil {
			return nil, err
		}
	}
	for _, name := range r.Policy.Profiles() {
		if err := read(broker.SharedAppClientKey(name)); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// listing is Cognito's list of our app clients.
type listing struct {
	at  time.Time
	all []broker.ListedAppClient
	ids map[string][]string // by marker
}

// list reads Cognito's list.
func (r *Run) list(ctx context.Context) (*listing, error) {
	l := &listing{at: r.c.Now(), ids: make(map[string][]string)}
	for c, err := range r.c.Pool.List(ctx) {
		if err != nil {
			return nil, fmt.Errorf("list app clients: %w", err)
		}
		l.all = append(l.all, c)
		l.ids[c.Marker] = append(l.ids[c.Marker], c.ID)
	}
	r.listed = l
	telemetry.Set(ctx, telemetry.AppClientsHeld, float64(len(l.all)))
	return l, nil
}

// AtCognito returns the ids of the app clients with this marker. It lists them
// again unless the list is at least two minutes younger than the marker: an app
// client may have been created after the list was read.
func (r *Run) AtCognito(ctx context.Context, marker string) ([]string, error) {
	l := r.listed
	if made, ok := broker.MarkedAt(marker); l == nil || ok && l.at.Before(made.Add(broker.Grace)) {
		var err error
		if l, err = r.list(ctx); err != nil {
			return nil, err
		}
	}
	return l.ids[marker], nil
}

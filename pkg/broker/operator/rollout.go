package operator

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
)

// RolloutStore has the documents, and the record of which of them the app clients
// follow.
type RolloutStore interface {
	configuration.Reader
	// Rollout returns the stored record, or the zero Rollout if none is stored.
	Rollout(ctx context.Context) (*configuration.Rollout, error)
	// ReplaceRollout stores r if the stored record has the version r.Version, and
	// sets the new version in r. Otherwise it returns broker.ErrConflict.
	ReplaceRollout(ctx context.Context, r *configuration.Rollout) error
}

// RolloutConfig is what RollOut needs. Every field but All is REQUIRED.
type RolloutConfig struct {
	Store      RolloutStore
	Deployment broker.Deployment
	// Update gives the app clients of a profile the settings of conf. It returns
	// how many it has updated, even with an error.
	Update func(ctx context.Context, conf *configuration.Configuration, profile string) (int, error)
	// All is whether RollOut updates the app clients of every profile, not only of
	// those whose settings have changed.
	All bool
	Now func() time.Time
}

// Updated is how many app clients of a profile were updated.
type Updated struct {
	Profile string `json:"profile"`
	Updated int    `json:"updated"`
}

const (
	// rolloutEnds is the time after which a run that has not ended counts as
	// interrupted. A run takes some minutes.
	rolloutEnds = time.Hour
	// rolloutAttempts is how often RollOut repeats a write that conflicts, and how
	// often it goes on with a newer version.
	rolloutAttempts = 10
)

// RollOut gives the app clients the settings of the newest version. It updates
// the profiles whose settings have changed since the version that the app clients
// are known to have, or all profiles if none is known. If another version is
// stored meanwhile, RollOut goes on with that one, so of several runs at the same
// time the last one ends with the newest settings. If an update fails, it goes on
// with the other profiles. It returns what it has updated, even with an error,
// and can be repeated after any error: app clients that it has left out are
// updated by the next run, whatever version is the newest then.
func RollOut(ctx context.Context, c RolloutConfig) ([]Updated, error) {
	r := rollout{RolloutConfig: c, id: rand.Text(), updated: make(map[string]int)}
	if err := r.begin(ctx); err != nil {
		return nil, fmt.Errorf("no app client was updated: %w", err)
	}
	done, err := r.run(ctx)
	r.end(ctx, done)
	all := []Updated{}
	for _, name := range slices.Sorted(maps.Keys(r.updated)) {
		all = append(all, Updated{name, r.updated[name]})
	}
	return all, err
}

// rollout is one call of RollOut.
type rollout struct {
	RolloutConfig
	id string
	// base is the version that the app clients are known to have, zero if none.
	base configuration.Version
	// updated are the numbers of app clients by profile.
	updated map[string]int
}

// begin adds the run to the record, so that no other run takes an older version
// for the one that the app clients have.
func (r *rollout) begin(ctx context.Context) error {
	return r.change(ctx, func(record *configuration.Rollout) {
		r.base = configuration.Version{}
		if len(record.Runs) == 0 {
			r.base = configuration.Version{Number: record.Done, Digest: record.Digest}
		}
		maps.DeleteFunc(record.Runs, func(_ string, at time.Time) bool { return r.Now().Sub(at) > rolloutEnds })
		if record.Runs == nil {
			record.Runs = make(map[string]time.Time)
		}
		record.Runs[r.id] = broker.Seconds(r.Now())
	})
}

// end removes the run from the record, which then says that the app clients have
// the version done, unless it is zero or there are other runs. If the record
// cannot be written, the next run updates all profiles.
func (r *rollout) end(ctx context.Context, done configuration.Version) {
	ctx, cancel := broker.CleanupContext(ctx)
	defer cancel()
	_ = r.change(ctx, func(record *configuration.Rollout) {
		delete(record.Runs, r.id)
		if len(record.Runs) == 0 {
			record.Done, record.Digest = done.Number, done.Digest
		}
	})
}

// change changes the record. A write whose reply was lost may be applied twice.
func (r *rollout) change(ctx context.Context, change func(*configuration.Rollout)) error {
	var err error
	for range rolloutAttempts {
		var record *configuration.Rollout
		if record, err = r.Store.Rollout(ctx); err != nil {
			return err
		}
		change(record)
		if err = r.Store.ReplaceRollout(ctx, record); !errors.Is(err, broker.ErrConflict) {
			return err
		}
	}
	return err
}

// run updates the app clients until no newer version is stored. It returns the
// version that all of them have, zero if some were not updated.
func (r *rollout) run(ctx context.Context) (configuration.Version, error) {
	var done configuration.Version
	for range rolloutAttempts {
		versions, err := r.Store.Versions(ctx)
		if err != nil {
			return configuration.Version{}, fmt.Errorf("read the versions: %w", err)
		}
		if len(versions) == 0 {
			return configuration.Version{}, configuration.ErrNone
		}
		if versions[0] == done {
			return done, nil
		}
		after, err := configuration.Load(ctx, r.Store, versions[0], r.Deployment)
		if err != nil {
			return configuration.Version{}, err
		}
		profiles := after.Policy.Profiles()
		if !r.All {
			if profiles, err = r.stale(ctx, versions, after); err != nil {
				return configuration.Version{}, err
			}
		}
		if err := r.update(ctx, after, profiles); err != nil {
			return configuration.Version{}, err
		}
		done = versions[0]
	}
	return configuration.Version{}, errors.New("other versions are stored all the time; run the command again when they no longer are")
}

func (r *rollout) update(ctx context.Context, conf *configuration.Configuration, profiles []string) error {
	var errs []error
	for _, name := range profiles {
		n, err := r.Update(ctx, conf, name)
		if n > 0 {
			r.updated[name] = max(r.updated[name], n)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("profile %s: %w", name, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// stale returns the profiles that have other settings in a version from the one
// before the known one on than in the newest one. While any of these was in force,
// a function may have created app clients, or another run may have updated some. A
// function may be a minute behind, so the version before the known one counts.
func (r *rollout) stale(ctx context.Context, versions []configuration.Version, after *configuration.Configuration) ([]string, error) {
	all := after.Policy.Profiles()
	known := slices.IndexFunc(versions, func(v configuration.Version) bool { return v.Number == r.base.Number && v.Digest == r.base.Digest })
	if known < 0 {
		return all, nil
	}
	changed := make(map[string]bool)
	for _, v := range versions[1:min(known+2, len(versions))] {
		before, err := configuration.Load(ctx, r.Store, v, r.Deployment)
		if _, bad := errors.AsType[*configuration.VersionError](err); bad {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		for _, name := range changedProfiles(before, after) {
			changed[name] = true
		}
	}
	return slices.DeleteFunc(all, func(name string) bool { return !changed[name] }), nil
}

// changedProfiles returns the profiles whose app clients may lack something of
// the configuration after if they have all of before.
func changedProfiles(before, after *configuration.Configuration) []string {
	all := after.Policy.Profiles()
	if before.Tokens != after.Tokens || !slices.Equal(before.IdentityProviders, after.IdentityProviders) {
		return all
	}
	return slices.DeleteFunc(all, func(name string) bool {
		was, ok := before.Policy.Profile(name)
		now, _ := after.Policy.Profile(name)
		return ok && slices.Equal(was.Scopes(), now.Scopes()) && sameNames(was.Users().IdentityProviders, now.Users().IdentityProviders)
	})
}

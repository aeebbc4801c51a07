package operator_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/operator"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

var rolloutDeployment = broker.Deployment{ID: "test", Mode: broker.ModeBrokered, Issuer: "https://auth.example.com", LoginVersion: 2}

// rollouts are app clients that follow the versions of a configuration.
type rollouts struct {
	t     *testing.T
	clock *fake.Clock
	store *records.Configuration
	// has are the settings of the app clients, by profile.
	has map[string]string
	// updated are the profiles of the last run.
	updated []string
	// fails is how many updates end with an error, applied or not.
	fails   int
	applied bool
	// meanwhile is called in the first update.
	meanwhile func()
}

func newRollouts(t *testing.T) *rollouts {
	clock := fake.NewClock()
	return &rollouts{t: t, clock: clock, store: memory.NewStore(clock.Now).Configuration(), has: make(map[string]string)}
}

// put stores a version: the lifetime of access tokens, and whether the profile
// partner has another scope.
func (w *rollouts) put(lifetime string, more bool) {
	w.t.Helper()
	scopes := map[bool]string{true: `, "scopes": {"allowed": ["mcp/read", "mcp/more"]}`, false: `, "scopes": {"allowed": ["mcp/read"]}`}[more]
	document := fmt.Sprintf(`{"version": 1, "scopes": [{"name": "mcp/read"}, {"name": "mcp/more"}], "lifetimes": {"access_token": %q},
		"profiles": {"other": {"redirect_uris": {"loopback": true}}, "partner": {"redirect_uris": {"loopback": true}%s}}}`, lifetime, scopes)
	versions, err := w.store.Versions(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	v := configuration.Version{Number: 1, Schema: 1, Digest: configuration.Digest([]byte(document)), By: "ops", At: w.clock.Second()}
	if len(versions) > 0 {
		v.Number = versions[0].Number + 1
	}
	if err := w.store.Append(w.t.Context(), v, []byte(document)); err != nil {
		w.t.Fatal(err)
	}
}

// settings are what the app clients of a profile must have.
func settings(conf *configuration.Configuration, profile string) string {
	p, _ := conf.Policy.Profile(profile)
	return fmt.Sprint(conf.Tokens.AccessToken, p.Scopes())
}

func (w *rollouts) run(ctx context.Context) error {
	w.updated = nil
	_, err := operator.RollOut(ctx, operator.RolloutConfig{
		Store: w.store, Deployment: rolloutDeployment, Now: w.clock.Now, Update: w.update,
	})
	return err
}

func (w *rollouts) update(ctx context.Context, conf *configuration.Configuration, profile string) (int, error) {
	if f := w.meanwhile; f != nil {
		w.meanwhile = nil
		f()
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	w.updated = append(w.updated, profile)
	if w.fails == 0 || w.applied {
		w.has[profile] = settings(conf, profile)
	}
	if w.fails > 0 {
		w.fails--
		return 0, fake.ErrInjected
	}
	return 1, nil
}

// newest fails the test unless all app clients have the settings of the newest
// version.
func (w *rollouts) newest(what string) {
	w.t.Helper()
	versions, err := w.store.Versions(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	conf, err := configuration.Load(w.t.Context(), w.store, versions[0], rolloutDeployment)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, profile := range conf.Policy.Profiles() {
		if got, want := w.has[profile], settings(conf, profile); got != want {
			w.t.Errorf("%s: the app clients of %s have %s, want those of version %d: %s", what, profile, got, versions[0].Number, want)
		}
	}
}

func (w *rollouts) mustRun(what string, profiles ...string) {
	w.t.Helper()
	if err := w.run(w.t.Context()); err != nil {
		w.t.Errorf("%s: %v", what, err)
	}
	if !slices.Equal(w.updated, profiles) {
		w.t.Errorf("%s: updated %q, want %q", what, w.updated, profiles)
	}
	w.newest(what)
}

// Only profiles that have changed are updated, and what an earlier run has left
// out is made up for.
func TestRollOut(t *testing.T) {
	w := newRollouts(t)
	w.put("10m", false)
	w.mustRun("the first", "other", "partner")
	w.put("10m", true)
	w.mustRun("one profile has changed", "partner")
	w.put("20m", true)
	w.mustRun("a lifetime has changed", "other", "partner")
	w.put("20m", false)
	w.put("20m", true)
	w.mustRun("a version without a run, and back; the one before the known one counts", "other", "partner")

	w.put("30m", true)
	w.fails, w.applied = 1, true
	if err := w.run(t.Context()); !errors.Is(err, fake.ErrInjected) || !slices.Equal(w.updated, []string{"other", "partner"}) {
		t.Errorf("an update fails: %v, updated %q, want the error, and both updated", err, w.updated)
	}
	w.put("20m", true)
	w.mustRun("back, after an update that failed", "other", "partner")

	ctx, cancel := context.WithCancel(t.Context())
	w.put("40m", true)
	w.meanwhile = cancel
	if err := w.run(ctx); err == nil {
		t.Error("an interrupted run: no error")
	}
	w.put("40m", false)
	w.mustRun("after an interrupted run", "other", "partner")
	w.put("40m", true)
	w.mustRun("after a run that is done", "partner")
}

// While a run updates app clients, another version is stored, and its own run
// ends before. The first one goes on with the newer version.
func TestRollOutOfTwoVersionsAtOnce(t *testing.T) {
	w := newRollouts(t)
	w.put("10m", false)
	w.meanwhile = func() {
		w.put("20m", false)
		if err := w.run(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := w.run(t.Context()); err != nil {
		t.Error(err)
	}
	w.newest("two at once")
	w.put("20m", true)
	// A function may still have made an app client with a lifetime of 10m.
	w.mustRun("when both are done", "other", "partner")
	w.put("20m", false)
	w.mustRun("a version later", "partner")
}

// A function that is a minute behind makes an app client with the settings of
// the version before, after the run for the newest version is done. The next run
// updates it.
func TestRollOutAfterAFunctionThatIsBehind(t *testing.T) {
	w := newRollouts(t)
	w.put("10m", false)
	w.mustRun("the first", "other", "partner")
	w.put("15m", false)
	w.mustRun("the second", "other", "partner")
	w.put("15m", true)
	w.mustRun("the third changes nothing of other", "other", "partner")
	w.put("15m", true)
	w.mustRun("the fourth", "partner")
}

// A run that was killed has not ended. For an hour no run knows what the app
// clients have.
func TestRollOutAfterAKilledRun(t *testing.T) {
	w := newRollouts(t)
	w.put("10m", false)
	w.mustRun("the first", "other", "partner")
	w.put("20m", false)
	func() {
		defer func() { _ = recover() }()
		w.meanwhile = func() { panic("killed") }
		_ = w.run(t.Context())
	}()
	for range 2 {
		w.put("20m", true)
		w.mustRun("soon after", "other", "partner")
	}
	w.clock.Advance(61 * time.Minute)
	w.mustRun("an hour after", "other", "partner")
	w.put("20m", false)
	w.mustRun("then", "partner")
}

// If the record cannot be written before the first update, nothing is updated.
// If it cannot be written after the last one, the next run updates everything.
// If a document is gone, too.
func TestRollOutWhateverFails(t *testing.T) {
	for name, do := range map[string]struct {
		fail     func(operation string, n int) bool
		isFailed bool
	}{
		"the first read":  {func(op string, n int) bool { return op == "Rollout" && n == 1 }, true},
		"the first write": {func(op string, n int) bool { return op == "ReplaceRollout" && n == 1 }, true},
		"the versions":    {func(op string, n int) bool { return op == "Versions" }, true},
		"the last write":  {func(op string, n int) bool { return op == "ReplaceRollout" && n == 2 }, false},
	} {
		for _, isApplied := range []bool{false, true} {
			w, calls, on := newRollouts(t), make(map[string]int), false
			w.store = memory.NewStore(w.clock.Now).Hooked(func(_ context.Context, op string, f func() error) error {
				if !on {
					return f()
				}
				if calls[op]++; !do.fail(op, calls[op]) {
					return f()
				}
				if isApplied {
					_ = f()
				}
				return fake.ErrInjected
			}).Configuration()
			w.put("10m", false)
			w.mustRun("the first", "other", "partner")
			w.put("20m", false)
			on = true
			err := w.run(t.Context())
			on = false
			if failed := errors.Is(err, fake.ErrInjected); failed != do.isFailed || do.isFailed && len(w.updated) > 0 {
				t.Errorf("%s fails: %v, updated %q", name, err, w.updated)
			}
			w.put("10m", false)
			if err := w.run(t.Context()); err != nil {
				t.Error(err)
			}
			w.newest(name + " fails")
		}
	}
}

// Whatever happens before, a run without an error ends with the newest settings.
func TestRollOutAtRandom(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		w, steps := newRollouts(t), []string{}
		lifetimes := []string{"10m", "20m", "30m"}
		put := func() { w.put(lifetimes[r.IntN(3)], r.IntN(2) == 0) }
		put()
		for range 12 {
			step := r.IntN(6)
			steps = append(steps, fmt.Sprint(step))
			w.clock.Advance(time.Duration(r.IntN(40)) * time.Minute)
			ctx, cancel := context.WithCancel(t.Context())
			switch step {
			case 0, 1:
				put()
			case 2:
				w.fails, w.applied = 1+r.IntN(2), r.IntN(2) == 0
				_ = w.run(ctx)
				w.fails = 0
			case 3:
				w.meanwhile = cancel
				_ = w.run(ctx)
			case 4:
				w.meanwhile = func() { put(); _ = w.run(ctx) }
				fallthrough
			case 5:
				if err := w.run(ctx); err != nil {
					t.Error(err)
				}
				w.newest(fmt.Sprintf("seed %d, steps %s", seed, strings.Join(steps, " ")))
			}
			w.meanwhile = nil
			cancel()
		}
	}
}

// The app clients of a profile have its identity providers.
func TestRollOutFollowsTheIdentityProvidersOfAProfile(t *testing.T) {
	parse := func(users string) *configuration.Configuration {
		c, err := configuration.Parse([]byte(`{"version": 1, "scopes": [{"name": "mcp/read"}], "profiles": {
			"other": {"redirect_uris": {"loopback": true}}, "partner": {"redirect_uris": {"loopback": true}`+users+`}}}`), rolloutDeployment)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	before := parse(`, "users": {"identity_providers": ["Okta", "Entra"]}`)
	for after, want := range map[string][]string{
		`, "users": {"identity_providers": ["Entra", "Okta"]}`:                      nil,
		`, "users": {"identity_providers": ["Okta", "Entra"], "groups": ["staff"]}`: nil,
		`, "users": {"identity_providers": ["Okta"]}`:                               {"partner"},
		``: {"partner"},
	} {
		if got := operator.ChangedProfiles(before, parse(after)); !slices.Equal(got, want) {
			t.Errorf("%s: changed profiles = %q, want %q", after, got, want)
		}
	}
}

package configure_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configure"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/must"
)

var deployment = broker.Deployment{ID: "test", Mode: broker.ModeBrokered, Issuer: "https://auth.example.com"}

// world is a Writer on a store with faults.
type world struct {
	t     *testing.T
	clock *fake.Clock
	log   *fake.Log
	table records.Table
	inner *records.Configuration // without faults
	store *fake.Store
	*configure.Writer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	clock := fake.NewClock()
	store := memory.NewStore(clock.Now)
	w := &world{t: t, clock: clock, log: new(fake.Log), inner: store.Configuration(), store: fake.NewStore(store)}
	w.Writer = w.writer(deployment, w.store.Store.Configuration())
	return w
}

func (w *world) writer(d broker.Deployment, s configuration.Store) *configure.Writer {
	w.t.Helper()
	writer, err := configure.New(configure.Config{Store: s, Deployment: d, Now: w.clock.Now, Log: slog.New(slog.NewJSONHandler(w.log, nil))})
	if err != nil {
		w.t.Fatal(err)
	}
	return writer
}

// document returns the document that ships, with another support contact. If the
// name begins with "large", it has so many spaces that the head of the versions
// has no copy of it.
func document(t *testing.T, name string) []byte {
	t.Helper()
	const from = `"version": 1,`
	shipped := string(must.ReadFile(t, "../../../config/broker.json"))
	if strings.Count(shipped, from) != 1 {
		t.Fatalf("config/broker.json does not have %q once", from)
	}
	spaces := ""
	if strings.HasPrefix(name, "large") {
		spaces = strings.Repeat(" ", 8<<10)
	}
	return []byte(strings.Replace(shipped, from, fmt.Sprintf(`"version": 1, "support_contact": "mailto:%s@example.com",`, name), 1) + spaces)
}

// mustApply stores a document without faults.
func (w *world) mustApply(name string, expected int) configuration.Version {
	w.t.Helper()
	res, err := w.Apply(w.t.Context(), document(w.t, name), "ops", expected)
	if err != nil || res.Unchanged {
		w.t.Fatalf("Apply = %+v, %v, want a new version", res, err)
	}
	return res.Version
}

// wantVersions fails the test unless the store has versions with these
// documents, newest first.
func (w *world) wantVersions(what string, names ...string) {
	w.t.Helper()
	versions, err := w.inner.Versions(w.t.Context())
	if err != nil || len(versions) != len(names) {
		w.t.Fatalf("%s: %d versions are stored, %v, want those of %q", what, len(versions), err, names)
	}
	for i, v := range versions {
		body, err := w.inner.Body(w.t.Context(), v)
		if want := document(w.t, names[i]); err != nil || string(body) != string(want) || v.Number != len(names)-i {
			w.t.Errorf("%s: version %d is %.80q, %v, want the document %s", what, v.Number, body, err, names[i])
		}
	}
}

// event is what a test compares of an audit event.
type event struct {
	Event         string
	Actor         struct{ Kind, ID string }
	Before, After struct {
		Version, Restores int
		Digest            string
	}
}

// events returns the audit events since the last call.
func (w *world) events() []event {
	w.t.Helper()
	var all []event
	for line := range strings.Lines(w.log.String()) {
		var e event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			w.t.Fatal(err)
		}
		if e.Event != "" {
			all = append(all, e)
		}
	}
	w.log.Reset()
	return all
}

func (w *world) wantEvents(what string, want ...string) {
	w.t.Helper()
	var got []string
	for _, e := range w.events() {
		got = append(got, fmt.Sprintf("%s by %s %s, %d to %d, restores %d", e.Event, e.Actor.Kind, e.Actor.ID, e.Before.Version, e.After.Version, e.After.Restores))
	}
	if !reflect.DeepEqual(got, want) {
		w.t.Errorf("%s: audit events\n got %q\nwant %q", what, got, want)
	}
}

func TestApply(t *testing.T) {
	w := newWorld(t)
	first, err := w.Apply(t.Context(), document(t, "a"), "jane", 0)
	want := configuration.Version{Number: 1, Schema: 1, Digest: configuration.Digest(document(t, "a")), By: "jane", At: w.clock.Second()}
	if err != nil || first != (configure.Result{Version: want}) {
		t.Errorf("Apply = %+v, %v, want %+v", first, err, want)
	}
	w.wantEvents("the first", "configuration.applied by operator jane, 0 to 1, restores 0")
	second, err := w.Apply(t.Context(), document(t, "b"), "joe", 1)
	if err != nil || second.Version.Number != 2 || second.Unchanged {
		t.Errorf("Apply = %+v, %v, want version 2", second, err)
	}
	w.wantEvents("the second", "configuration.applied by operator joe, 1 to 2, restores 0")
	for _, expected := range []int{2, 0, 7} {
		again, err := w.Apply(t.Context(), document(t, "b"), "jim", expected)
		if err != nil || again != (configure.Result{Version: second.Version, Unchanged: true}) {
			t.Errorf("Apply of the newest document = %+v, %v, want it unchanged", again, err)
		}
	}
	for _, expected := range []int{-1, 0, 1, 3} {
		if res, err := w.Apply(t.Context(), document(t, "c"), "jim", expected); !errors.Is(err, configuration.ErrChanged) {
			t.Errorf("Apply with version %d expected = %+v, %v, want %v", expected, res, err, configuration.ErrChanged)
		}
	}
	w.wantEvents("nothing stored")
	w.wantVersions("at the end", "b", "a")
}

func TestADocumentWithFaultsIsNotStored(t *testing.T) {
	w := newWorld(t)
	w.mustApply("a", 0)
	w.events()
	w.store.Reset()
	bad := []byte(strings.Replace(string(document(t, "b")), `"open_registration": "open"`, `"open_registration": "none"`, 1))
	for name, body := range map[string][]byte{"a fault": bad, "not JSON": []byte("{"), "half an object": bad[:len(bad)/2], "nothing": nil} {
		_, want := configuration.Parse(body, deployment)
		if want == nil {
			t.Fatalf("%s is a valid document", name)
		}
		if res, err := w.Apply(t.Context(), body, "ops", 1); err == nil || err.Error() != want.Error() || reflect.TypeOf(err) != reflect.TypeOf(want) {
			t.Errorf("%s: Apply = %+v, %v, want the faults as they are: %v", name, res, err, want)
		}
	}
	w.wantEvents("documents with faults")
	w.wantVersions("at the end", "a")
}

func TestRollback(t *testing.T) {
	w := newWorld(t)
	w.mustApply("a", 0)
	w.mustApply("b", 1)
	w.mustApply("c", 2)
	w.events()
	res, err := w.Rollback(t.Context(), 1, "jane", 3)
	want := configuration.Version{Number: 4, Schema: 1, Digest: configuration.Digest(document(t, "a")), By: "jane", At: w.clock.Second(), Restores: 1}
	if err != nil || res != (configure.Result{Version: want}) {
		t.Errorf("Rollback = %+v, %v, want %+v", res, err, want)
	}
	w.wantEvents("a rollback", "configuration.rolled_back by operator jane, 3 to 4, restores 1")
	for _, number := range []int{1, 4} {
		if again, err := w.Rollback(t.Context(), number, "joe", 4); err != nil || again != (configure.Result{Version: want, Unchanged: true}) {
			t.Errorf("Rollback to version %d again = %+v, %v, want it unchanged", number, again, err)
		}
	}
	if res, err := w.Rollback(t.Context(), 2, "joe", 3); !errors.Is(err, configuration.ErrChanged) {
		t.Errorf("Rollback with version 3 expected = %+v, %v, want %v", res, err, configuration.ErrChanged)
	}
	for _, number := range []int{-1, 0, 5} {
		if res, err := w.Rollback(t.Context(), number, "joe", 4); !errors.Is(err, configure.ErrNoVersion) {
			t.Errorf("Rollback to version %d = %+v, %v, want %v", number, res, err, configure.ErrNoVersion)
		}
	}
	w.wantEvents("nothing stored")
	w.wantVersions("at the end", "a", "c", "b", "a")
}

// A version that cannot be used is not restored, and the error says why.
func TestRollbackIsRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		store func(w *world) configuration.Version
		want  string
	}{
		"a newer schema": {func(w *world) configuration.Version {
			return w.append(2, document(t, "x"))
		}, "its schema is 2"},
		"faults by now": {func(w *world) configuration.Version {
			return w.append(1, []byte(`{"version":1}`))
		}, "profiles"},
		"another document in its place": {func(w *world) configuration.Version {
			v := w.append(1, document(t, "x"))
			w.alter(v, records.Write{Change: &records.Change{Set: records.Item{"document": "{}"}}})
			return v
		}, configuration.ErrAltered.Error()},
		"its document is gone": {func(w *world) configuration.Version {
			v := w.append(1, document(t, "x"))
			w.alter(v, records.Write{})
			return v
		}, configuration.ErrGone.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldOnTable(t)
			w.mustApply("a", 0)
			v := tt.store(w)
			w.mustApply("b", v.Number)
			w.events()
			res, err := w.Rollback(t.Context(), v.Number, "ops", v.Number+1)
			e, ok := errors.AsType[*configuration.VersionError](err)
			if !ok || e.Number != v.Number || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Rollback = %+v, %v, want a VersionError with %q", res, err, tt.want)
			}
			w.wantEvents("a refused rollback")
			if versions, err := w.inner.Versions(t.Context()); err != nil || len(versions) != v.Number+1 {
				t.Errorf("%d versions are stored, %v, want %d", len(versions), err, v.Number+1)
			}
		})
	}
}

// newWorldOnTable returns a world whose items can be altered.
func newWorldOnTable(t *testing.T) *world {
	t.Helper()
	clock := fake.NewClock()
	w := &world{t: t, clock: clock, log: new(fake.Log), table: memory.NewTable(clock.Now)}
	w.inner = records.New(w.table, clock.Now).Configuration()
	w.Writer = w.writer(deployment, w.inner)
	return w
}

// The newest version cannot be used, so storing the same document again is not
// unchanged: it stores the next version.
func TestTheNewestDocumentIsStoredAgain(t *testing.T) {
	for name, alter := range map[string]records.Write{
		"it is gone": {}, "it was altered": {Change: &records.Change{Set: records.Item{"document": "{}"}}},
	} {
		for change, do := range map[string]func(w *world, expected int) (configure.Result, error){
			"Apply": func(w *world, expected int) (configure.Result, error) {
				return w.Apply(t.Context(), document(t, "large-a"), "ops", expected)
			},
			"Rollback": func(w *world, expected int) (configure.Result, error) {
				return w.Rollback(t.Context(), 1, "ops", expected)
			},
		} {
			t.Run(name+"/"+change, func(t *testing.T) {
				w := newWorldOnTable(t)
				w.mustApply("large-a", 0)
				w.mustApply("b", 1)
				w.alter(w.mustApply("large-a", 2), alter)
				if res, err := do(w, 2); !errors.Is(err, configuration.ErrChanged) {
					t.Errorf("%s = %+v, %v, want %v", change, res, err, configuration.ErrChanged)
				}
				res, err := do(w, 3)
				if err != nil || res.Unchanged || res.Version.Number != 4 {
					t.Fatalf("%s = %+v, %v, want version 4", change, res, err)
				}
				if _, err := configuration.Load(t.Context(), w.inner, res.Version, deployment); err != nil {
					t.Errorf("version 4 cannot be used: %v", err)
				}
			})
		}
	}
}

// append stores a document that this program would not store.
func (w *world) append(schema int, body []byte) configuration.Version {
	w.t.Helper()
	v := configuration.Version{Number: 2, Schema: schema, Digest: configuration.Digest(body)}
	if err := w.inner.Append(w.t.Context(), v, body); err != nil {
		w.t.Fatal(err)
	}
	return v
}

// alter writes to the item of a version's document.
func (w *world) alter(v configuration.Version, x records.Write) {
	w.t.Helper()
	x.Key = fmt.Sprintf("config#%d#%s", v.Number, v.Digest)
	if _, err := w.table.Write(w.t.Context(), "test", x); err != nil {
		w.t.Fatal(err)
	}
}

func TestRollbackBeyondTheKeptVersions(t *testing.T) {
	w := newWorld(t)
	for n := range configuration.Kept + 1 {
		w.mustApply(fmt.Sprint("n", n), n)
	}
	if res, err := w.Rollback(t.Context(), 1, "ops", configuration.Kept+1); !errors.Is(err, configure.ErrNoVersion) {
		t.Errorf("Rollback to version 1 = %+v, %v, want %v", res, err, configure.ErrNoVersion)
	}
	if res, err := w.Rollback(t.Context(), 2, "ops", configuration.Kept+1); err != nil || res.Version.Restores != 2 {
		t.Errorf("Rollback to version 2 = %+v, %v", res, err)
	}
}

// The zero Config has nothing that is required.
func TestNew(t *testing.T) {
	full := configure.Config{Store: memory.NewStore(nil).Configuration(), Deployment: deployment, Now: fake.NewClock().Now, Log: slog.New(slog.DiscardHandler)}
	for i := range reflect.TypeFor[configure.Config]().NumField() {
		c := full
		reflect.ValueOf(&c).Elem().Field(i).SetZero()
		if _, err := configure.New(c); err == nil {
			t.Errorf("New without %s: no error", reflect.TypeFor[configure.Config]().Field(i).Name)
		}
	}
}

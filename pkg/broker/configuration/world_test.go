package configuration_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/must"
)

var deployment = broker.Deployment{ID: "test", Mode: broker.ModeBrokered, Issuer: "https://auth.example.com"}

// named returns the document that ships, with another support contact.
func named(t *testing.T, name string) []byte {
	t.Helper()
	return edited(t, `"version": 1,`, fmt.Sprintf(`"version": 1, "support_contact": "mailto:%s@example.com",`, name))
}

// large returns the document named with so many spaces that the head of the
// versions has no copy of it.
func large(t *testing.T, name string) []byte {
	t.Helper()
	return append(named(t, name), strings.Repeat(" ", 8<<10)...)
}

// faulty returns a document with a fault, which differs for each name.
func faulty(t *testing.T, name string) []byte {
	t.Helper()
	return edited(t, `"open_registration": "open"`, fmt.Sprintf(`"open_registration": "no-%s"`, name))
}

func edited(t *testing.T, from, to string) []byte {
	t.Helper()
	shipped := string(must.ReadFile(t, "../../../config/broker.json"))
	if strings.Count(shipped, from) != 1 {
		t.Fatalf("config/broker.json has %q %d times, want it once", from, strings.Count(shipped, from))
	}
	return []byte(strings.Replace(shipped, from, to, 1))
}

// world is a table with documents and a Current that reads them.
type world struct {
	t       *testing.T
	clock   *fake.Clock
	log     *fake.Log
	table   records.Table
	store   configuration.Store
	reader  *reader
	current *configuration.Current
}

func newWorld(t *testing.T, clock *fake.Clock) *world {
	table := memory.NewTable(clock.Now)
	store := records.New(table, clock.Now).Configuration()
	w := &world{t: t, clock: clock, log: new(fake.Log), table: table, store: store, reader: &reader{Reader: store}}
	w.start()
	return w
}

// start begins a process that has read nothing.
func (w *world) start() { w.current = newCurrent(w, w.reader) }

func newCurrent(w *world, r configuration.Reader) *configuration.Current {
	return configuration.NewCurrent(configuration.CurrentConfig{
		Reader: r, Deployment: deployment, Now: w.clock.Now, Log: slog.New(slog.NewTextHandler(w.log, nil)),
	})
}

// stale is a Reader whose first list takes a second and is as old as its
// beginning.
type stale struct {
	*reader
	versions []configuration.Version
	reads    int
}

func (s *stale) Versions(ctx context.Context) ([]configuration.Version, error) {
	if s.reads++; s.reads > 1 {
		return s.reader.Versions(ctx)
	}
	time.Sleep(time.Second)
	return s.versions, nil
}

// reader is a Reader whose reads are counted and call a hook first.
type reader struct {
	configuration.Reader

	mu               sync.Mutex
	versions, bodies int
	before           func(context.Context) error // may be nil
}

func (r *reader) Versions(ctx context.Context) ([]configuration.Version, error) {
	if err := r.count(ctx, &r.versions); err != nil {
		return nil, err
	}
	return r.Reader.Versions(ctx)
}

func (r *reader) Body(ctx context.Context, v configuration.Version) ([]byte, error) {
	if err := r.count(ctx, &r.bodies); err != nil {
		return nil, err
	}
	return r.Reader.Body(ctx, v)
}

func (r *reader) count(ctx context.Context, n *int) error {
	r.mu.Lock()
	*n++
	before := r.before
	r.mu.Unlock()
	if before == nil {
		return nil
	}
	return before(ctx)
}

func (r *reader) set(before func(context.Context) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.before = before
}

// counts returns how many lists and documents were read since the last call.
func (r *reader) counts() (versions, bodies int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	versions, bodies = r.versions, r.bodies
	r.versions, r.bodies = 0, 0
	return versions, bodies
}

// silent is a store that does not answer.
func silent(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// unreachable is a store that refuses connections.
func unreachable(context.Context) error { return fake.ErrInjected }

// append stores a document as the next version.
func (w *world) append(schema int, body []byte) configuration.Version {
	w.t.Helper()
	versions, err := w.store.Versions(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	v := configuration.Version{Number: 1, Schema: schema, Digest: configuration.Digest(body), By: "ops", At: w.clock.Second()}
	if len(versions) > 0 {
		v.Number = versions[0].Number + 1
	}
	if err := w.store.Append(w.t.Context(), v, body); err != nil {
		w.t.Fatal(err)
	}
	return v
}

// write changes an item of the table.
func (w *world) write(x records.Write) {
	w.t.Helper()
	if _, err := w.table.Write(w.t.Context(), "test", x); err != nil {
		w.t.Fatal(err)
	}
}

func itemOf(v configuration.Version) string { return fmt.Sprintf("config#%d#%s", v.Number, v.Digest) }

// lose removes the document of a version.
func (w *world) lose(v configuration.Version) { w.t.Helper(); w.write(records.Write{Key: itemOf(v)}) }

// spoil changes the copy of the newest document in the head of the versions.
func (w *world) spoil() {
	w.t.Helper()
	w.write(records.Write{Key: "config#head", Change: &records.Change{Set: records.Item{"document": []byte("{}")}}})
}

// alter stores another document in place of that of a version.
func (w *world) alter(v configuration.Version, body []byte) {
	w.t.Helper()
	w.write(records.Write{Key: itemOf(v), Change: &records.Change{Set: records.Item{"schema": int64(1), "document": string(body)}}})
}

// get returns what is in force, as VERSION/CONTACT, or the error's text.
func (w *world) get() string { return text(w.current.Get(w.t.Context())) }

// newest is get for a request that needs the newest version.
func (w *world) newest() string { return text(w.current.Get(broker.Newest(w.t.Context()))) }

func text(c *configuration.Configuration, err error) string {
	if err != nil {
		return err.Error()
	}
	name, _ := strings.CutSuffix(strings.TrimPrefix(c.SupportContact, "mailto:"), "@example.com")
	return fmt.Sprintf("%d/%s", c.Version, name)
}

// lines returns the log's lines at level ERROR since the last call.
func (w *world) lines() []string {
	var errors []string
	for line := range strings.Lines(w.log.String()) {
		if strings.Contains(line, "level=ERROR") {
			errors = append(errors, line)
		}
	}
	w.log.Reset()
	return errors
}

// pass moves the clock.
func (w *world) pass(d time.Duration) { w.clock.Advance(d) }

package configure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

// Config is what a Writer needs. Every field is REQUIRED.
type Config struct {
	Store configuration.Store
	// Deployment is the deployment that a document must fit.
	Deployment broker.Deployment
	Now        func() time.Time
	// Log gets the audit events.
	Log *slog.Logger
}

// A Writer stores documents. The parameter by of its methods is the operator's
// name; expected is the number of the newest version that the operator has seen,
// 0 if there was none. A call can be repeated after any outcome of the call
// before. A Writer is safe for concurrent use.
type Writer struct{ c Config }

// New returns a Writer, or an error if a required field of c is missing.
func New(c Config) (*Writer, error) {
	if c.Store == nil || c.Deployment.Mode == "" || c.Now == nil || c.Log == nil {
		return nil, errors.New("configure: every field of Config is required")
	}
	return &Writer{c}, nil
}

// Result is the outcome of a change.
type Result struct {
	// Version is the newest version.
	Version configuration.Version
	// Unchanged is true if the newest version had this document before and can be
	// used, so nothing was stored.
	Unchanged bool
}

// Apply stores a document as the next version. If the newest version can be used
// and has the same document, it stores nothing, whatever expected is. The error
// is that of configuration.Parse if the document has faults, and
// configuration.ErrChanged if the newest version is not the expected one. After
// any other error it is not known whether the document was stored; calling Apply
// again finds out.
func (w *Writer) Apply(ctx context.Context, body []byte, by string, expected int) (Result, error) {
	if _, err := configuration.Parse(body, w.c.Deployment); err != nil {
		return Result{}, err
	}
	var document struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(body, &document); err != nil {
		return Result{}, err
	}
	versions, err := w.c.Store.Versions(ctx)
	if err != nil {
		return Result{}, fmt.Errorf("read the versions: %w", err)
	}
	return w.store(ctx, versions, expected, body, configuration.Version{Schema: document.Version, By: by})
}

// ErrNoVersion means that a version is not kept, or never existed.
var ErrNoVersion = errors.New("there is no such version")

// Rollback stores the document of the version with this number again, as the
// next version. If the newest version can be used and has the same document, it
// stores nothing, whatever expected is. The error is ErrNoVersion if the version
// is not kept, a *configuration.VersionError if its document is gone, has a newer
// schema or has faults in this deployment, and otherwise as for Apply.
func (w *Writer) Rollback(ctx context.Context, number int, by string, expected int) (Result, error) {
	versions, err := w.c.Store.Versions(ctx)
	if err != nil {
		return Result{}, fmt.Errorf("read the versions: %w", err)
	}
	i := slices.IndexFunc(versions, func(v configuration.Version) bool { return v.Number == number })
	if i < 0 {
		return Result{}, fmt.Errorf("version %d: %w; the last %d versions are kept", number, ErrNoVersion, configuration.Kept)
	}
	former := versions[i]
	if _, err := configuration.Load(ctx, w.c.Store, former, w.c.Deployment); err != nil {
		return Result{}, err
	}
	body, err := configuration.ReadDocument(ctx, w.c.Store, former)
	if err != nil {
		return Result{}, err
	}
	return w.store(ctx, versions, expected, body, configuration.Version{Schema: former.Schema, By: by, Restores: number})
}

// store stores body as the version after the first of versions.
func (w *Writer) store(ctx context.Context, versions []configuration.Version, expected int, body []byte, v configuration.Version) (Result, error) {
	var newest configuration.Version
	if len(versions) > 0 {
		newest = versions[0]
	}
	v.Digest = configuration.Digest(body)
	if newest.Digest == v.Digest {
		_, err := configuration.Load(ctx, w.c.Store, newest, w.c.Deployment)
		_, unusable := errors.AsType[*configuration.VersionError](err)
		if err == nil {
			return Result{newest, true}, nil
		}
		if !unusable {
			return Result{}, err
		}
	}
	if newest.Number != expected {
		return Result{}, configuration.ErrChanged
	}
	v.Number, v.At = newest.Number+1, broker.Seconds(w.c.Now())
	err := w.c.Store.Append(ctx, v, body)
	if err != nil && !errors.Is(err, configuration.ErrChanged) {
		err = w.confirm(ctx, v, err)
	}
	if err != nil {
		return Result{}, fmt.Errorf("store version %d: %w", v.Number, err)
	}
	w.audit(ctx, newest, v)
	return Result{Version: v}, nil
}

// confirm reads the versions after an error that does not tell whether v was
// stored. It returns nil if v was. The times are not compared: the same document
// under the same number and name is what the caller wanted.
func (w *Writer) confirm(ctx context.Context, v configuration.Version, err error) error {
	ctx, cancel := broker.CleanupContext(ctx)
	defer cancel()
	versions, readErr := w.c.Store.Versions(ctx)
	for _, stored := range versions {
		if stored.At = v.At; stored == v {
			return nil
		}
	}
	return errors.Join(err, readErr)
}

func (w *Writer) audit(ctx context.Context, before, after configuration.Version) {
	a := telemetry.Audit{
		Event: telemetry.ConfigurationApplied, Actor: broker.ByOperator(after.By),
		After: []slog.Attr{slog.Int("version", after.Number), slog.String("digest", after.Digest)},
	}
	if after.Restores != 0 {
		a.Event = telemetry.ConfigurationRolledBack
		a.After = append(a.After, slog.Int("restores", after.Restores))
	}
	if before.Number != 0 {
		a.Before = []slog.Attr{slog.Int("version", before.Number), slog.String("digest", before.Digest)}
	}
	a.Log(ctx, w.c.Log)
}

package records

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
)

// kindConfig is the kind of the head and of the documents.
const kindConfig = "config#"

// headID is the id of the head. No document has it, because theirs begin with a
// number.
const headID = "head"

// A configHead is the item that lists the versions of the configuration.
type configHead struct {
	ID string `json:"-" store:"key"`
	// Number is the number of the newest version. Each write of the head adds one
	// version, so it is the version of the record too.
	Number int64 `json:"-" store:"version"`
	// Versions are those that are kept, newest first. Each is a configVersion; as
	// JSON it keeps members that a newer program has added.
	Versions []json.RawMessage `json:"versions"`
	// Dropped are the ids of documents that are to be removed, newest first.
	Dropped []string `json:"dropped,omitempty"`
	// Document is a copy of the newest document, or nil if it does not fit; see
	// maxHead. An older program changes the head and keeps its copy, so the copy
	// may be an older document.
	Document []byte          `json:"-" store:"document"`
	Unknown  json.RawMessage `json:"-" store:"unknown"`
}

const (
	// maxHead is the size up to which a head has a copy of the newest document:
	// two read units. With the copy, a process that starts reads one item.
	maxHead = 8 << 10
	// headGrowth covers what a write adds to a head later: eight write ids, and
	// digits.
	headGrowth = 128
)

// copyDocument puts a copy of the newest document into the head if both fit
// into maxHead.
func (h *configHead) copyDocument(body []byte) error {
	h.Document = body
	it, err := configHeads.item(h)
	if err == nil && it.Size()+headGrowth > maxHead {
		h.Document = nil
	}
	return err
}

// A configVersion is a version as the head lists it.
type configVersion struct {
	Number   int       `json:"number"`
	Schema   int       `json:"schema"`
	Digest   string    `json:"digest"`
	By       string    `json:"by"`
	At       time.Time `json:"at"`
	Restores int       `json:"restores,omitzero"`
}

// A configDocument is the item of a document.
type configDocument struct {
	ID       string `json:"-" store:"key"`
	Document string `json:"-" store:"document"`
}

var (
	configHeads     = newKind[configHead](kindConfig, nil)
	configDocuments = newKind[configDocument](kindConfig, nil)
)

// documentID returns the id of a version's document. Of two programs that store
// a version with the same number at the same time, only one succeeds. The digest
// keeps the other one from replacing its document.
func documentID(v configuration.Version) string { return fmt.Sprintf("%d#%s", v.Number, v.Digest) }

// versions returns the versions of a head, newest first.
func (h *configHead) versions() ([]configuration.Version, error) {
	all := make([]configuration.Version, len(h.Versions))
	for i, text := range h.Versions {
		var v configVersion
		if err := json.Unmarshal(text, &v); err != nil {
			return nil, fmt.Errorf("item %q: versions[%d]: %w", kindConfig+h.ID, i, err)
		}
		all[i] = configuration.Version(v)
	}
	return all, nil
}

// A configurationReader is a configuration.Reader on any Getter.
type configurationReader struct {
	items Getter
	// newest is the copy of the document that came with the last list of versions,
	// or nil if none came.
	newest atomic.Pointer[configDocument]
}

// NewConfigurationReader returns a reader of the documents in a table, also for
// a program that links no client of DynamoDB.
func NewConfigurationReader(items Getter) configuration.Reader {
	return &configurationReader{items: items}
}

// Versions implements configuration.Reader.
func (r *configurationReader) Versions(ctx context.Context) ([]configuration.Version, error) {
	h, err := r.head(ctx, "Versions")
	if err != nil {
		return nil, err
	}
	versions, err := h.versions()
	if err != nil {
		return nil, err
	}
	var newest *configDocument
	if len(versions) > 0 && len(h.Document) > 0 {
		newest = &configDocument{documentID(versions[0]), string(h.Document)}
	}
	r.newest.Store(newest)
	return versions, nil
}

// head returns the head, which lists no version if there is none stored.
func (r *configurationReader) head(ctx context.Context, op string) (*configHead, error) {
	it, err := r.items.Get(ctx, op, kindConfig+headID)
	if err != nil {
		return nil, err
	}
	if it == nil {
		return &configHead{ID: headID}, nil
	}
	return configHeads.record(it)
}

// Body implements configuration.Reader. It reads the item of the document,
// unless the last head that Versions read has a copy with the right digest.
func (r *configurationReader) Body(ctx context.Context, v configuration.Version) ([]byte, error) {
	if d := r.newest.Load(); d != nil && d.ID == documentID(v) {
		if body := []byte(d.Document); configuration.Digest(body) == v.Digest {
			return body, nil
		}
	}
	key := kindConfig + documentID(v)
	if !isKey(key) {
		return nil, broker.ErrNotFound
	}
	it, err := r.items.Get(ctx, "Body", key)
	if err != nil {
		return nil, err
	}
	if it == nil {
		return nil, broker.ErrNotFound
	}
	d, err := configDocuments.record(it)
	if err != nil {
		return nil, err
	}
	return []byte(d.Document), nil
}

// Configuration is a configuration.Store on a Table.
type Configuration struct {
	configurationReader
	store *Store
}

var _ configuration.Store = (*Configuration)(nil)

// Configuration returns the store of the configuration documents in the table
// of s.
func (s *Store) Configuration() *Configuration {
	return &Configuration{configurationReader: configurationReader{items: s.table}, store: s}
}

// maxDropped is the maximum number of documents that the head remembers for
// removal. If removals keep failing, older documents stay in the table.
const maxDropped = 20

// Append implements configuration.Store. The document is stored before the
// head, so each version that a reader finds in the head has its document. If
// the process ends in between, the document stays, and nothing refers to it.
func (c *Configuration) Append(ctx context.Context, v configuration.Version, body []byte) error {
	const op = "Append"
	if len(body) > configuration.MaxSize {
		return fmt.Errorf("%s: the document has %d bytes, and at most %d can be stored", op, len(body), configuration.MaxSize)
	}
	h, err := c.head(ctx, op)
	switch {
	case err != nil:
		return err
	case h.Number != int64(v.Number)-1:
		return configuration.ErrChanged
	}
	left := c.remove(ctx, op, h.Dropped)
	stored, err := h.versions()
	if err != nil {
		return err
	}
	if _, err := put(ctx, c.store, op, configDocuments, &configDocument{documentID(v), string(body)}, Condition{}); err != nil {
		return err
	}
	text, err := json.Marshal(configVersion(v))
	if err != nil {
		return err
	}
	kept := min(len(stored), configuration.Kept-1)
	var dropped []string // newest first
	for _, old := range stored[kept:] {
		dropped = append(dropped, documentID(old))
	}
	h.Versions = append([]json.RawMessage{text}, h.Versions[:kept]...)
	h.Dropped = append(dropped, left...)
	h.Dropped = h.Dropped[:min(len(h.Dropped), maxDropped)]
	if err := h.copyDocument(body); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	if h.Number == 0 {
		err = create(ctx, c.store, op, configHeads, h)
	} else {
		err = replace(ctx, c.store, op, configHeads, h, nil)
	}
	if errors.Is(err, broker.ErrExists) || errors.Is(err, broker.ErrConflict) || errors.Is(err, broker.ErrNotFound) {
		c.removeUnlessStored(ctx, op, v)
		return configuration.ErrChanged
	}
	if err == nil {
		c.remove(ctx, op, dropped) // the next Append tries again what fails
	}
	return err
}

// remove removes documents that no version has any more, and returns those that
// it could not remove.
func (c *Configuration) remove(ctx context.Context, op string, ids []string) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		_, err := c.store.remove(ctx, op, kindConfig, id, Condition{})
		return err == nil
	})
}

// removeUnlessStored removes the document of a version that was not stored,
// because the head has another version with its number. It does nothing if that
// one has the same document, or if the head cannot be read.
func (c *Configuration) removeUnlessStored(ctx context.Context, op string, v configuration.Version) {
	h, err := c.head(ctx, op)
	if err != nil {
		return
	}
	versions, err := h.versions()
	if err != nil {
		return
	}
	same := func(other configuration.Version) bool { return documentID(other) == documentID(v) }
	if !slices.ContainsFunc(versions, same) {
		c.remove(ctx, op, []string{documentID(v)})
	}
}

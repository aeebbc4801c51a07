package configuration

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/strict"
)

// A VersionError means that this program cannot use a version. Another version
// may be usable.
type VersionError struct {
	// Number is the number of the version, 0 for a document that is not stored.
	Number int
	// Reason is what is wrong. It wraps the error of Parse if the document has
	// faults.
	Reason error
}

func (e *VersionError) Error() string {
	if e.Number == 0 {
		return e.Reason.Error()
	}
	return fmt.Sprintf("version %d: %v", e.Number, e.Reason)
}

func (e *VersionError) Unwrap() error { return e.Reason }

// briefFaults is how many faults of a document are logged.
const briefFaults = 3

// brief returns e with the first faults only, and the number of all: a document
// can have a thousand.
func (e *VersionError) brief() *VersionError {
	all, ok := errors.AsType[*strict.Error](e.Reason)
	if !ok || len(all.Faults) <= briefFaults {
		return e
	}
	var text strings.Builder
	for _, f := range all.Faults[:briefFaults] {
		text.WriteString(f.String() + "; ")
	}
	return &VersionError{e.Number, fmt.Errorf("%s%d faults in all, dcrctl config lint lists them", &text, len(all.Faults))}
}

var (
	// ErrGone means that the document of a version is not stored any more.
	ErrGone = errors.New("its document is gone")
	// ErrAltered means that the stored document is not the one that was stored as
	// this version.
	ErrAltered = errors.New("its document is not the one that was stored")
)

// ReadDocument returns the document of a version, which has v.Digest. It returns a
// VersionError if there is no such document, and otherwise the error of the
// reader.
func ReadDocument(ctx context.Context, r Reader, v Version) ([]byte, error) {
	body, err := r.Body(ctx, v)
	switch {
	case errors.Is(err, broker.ErrNotFound):
		return nil, &VersionError{v.Number, ErrGone}
	case err != nil:
		return nil, fmt.Errorf("read version %d: %w", v.Number, err)
	case Digest(body) != v.Digest:
		return nil, &VersionError{v.Number, ErrAltered}
	}
	return body, nil
}

// Load returns the configuration of a version. It returns a VersionError if
// this program cannot use the version, and otherwise the error of the reader.
func Load(ctx context.Context, r Reader, v Version, d broker.Deployment) (*Configuration, error) {
	if v.Schema > SchemaVersion {
		return nil, &VersionError{v.Number, fmt.Errorf("its schema is %d, and this program reads up to %d", v.Schema, SchemaVersion)}
	}
	body, err := ReadDocument(ctx, r, v)
	if err != nil {
		return nil, err
	}
	c, err := Parse(body, d)
	if err != nil {
		return nil, &VersionError{v.Number, err}
	}
	c.Version = v.Number
	return c, nil
}

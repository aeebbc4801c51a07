package configuration

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"
)

// Kept is how many versions a Store keeps.
const Kept = 20

// Version describes a stored document.
type Version struct {
	// Number counts the versions from 1.
	Number int
	// Schema is the document's member version; see SchemaVersion.
	Schema int
	// Digest is the digest of the document.
	Digest string
	// By is the name of the operator who stored it.
	By string
	// At is the time at which it was stored, in UTC.
	At time.Time
	// Restores is the number of the version that a rollback restored, or 0.
	Restores int
}

// Digest returns the SHA-256 of a document in hexadecimal.
func Digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// Reader reads stored documents. Implementations are safe for concurrent use.
type Reader interface {
	// Versions returns the versions that are kept, newest first, at most Kept. It
	// returns none if no document was ever stored. It sees every Append that
	// returned before it.
	Versions(ctx context.Context) ([]Version, error)
	// Body returns the document of a version, or broker.ErrNotFound if it is not
	// stored. It may return a document that came with the last Versions, without
	// another read. The caller compares the digest.
	Body(ctx context.Context, v Version) ([]byte, error)
}

// Store stores documents in versions.
type Store interface {
	Reader
	// Append stores body as the version v if the newest version has the number
	// v.Number-1, or if v.Number is 1 and there is none. Otherwise it returns
	// ErrChanged and changes nothing that Versions returns. It removes versions
	// beyond Kept. After any other error the caller must read Versions to learn
	// whether v was stored.
	Append(ctx context.Context, v Version, body []byte) error
}

// ErrChanged means that another version was stored in the meantime.
var ErrChanged = errors.New("another version of the configuration was stored in the meantime")

package jwt

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/dcr-broker/dcr-broker/pkg/clock"
)

// ErrUnknownKey means that the key set has no key with that id.
var ErrUnknownKey = errors.New("no such key")

const (
	// MaxAge is the age at which the keys are fetched again. A withdrawn key is
	// accepted for at most this long, while fetches succeed.
	MaxAge = time.Hour
	// MinAge is how long after a fetch an unknown key id causes no new fetch.
	MinAge = 30 * time.Second
	// MaxStale is the age up to which keys stay in use while fetches fail. Without
	// a limit, a person who has a withdrawn key and can keep this process from
	// fetching could use it for ever.
	MaxStale = 24 * time.Hour
	// RetryTime is how long after a failed fetch no other fetch begins, so that
	// requests do not all wait for a server that does not answer.
	RetryTime = 2 * time.Second
	// MaxBody is the largest accepted size of a document in bytes.
	MaxBody = 256 << 10

	fetchTimeout = 5 * time.Second
	minRSA       = 2048 // bits (RFC 7518 §3.3)
)

// Keys has public keys by id.
type Keys map[string]*jose.JSONWebKey

// KeySet is a JWK Set (RFC 7517 §5). It is fetched when a needed key is missing
// and when it is older than MaxAge, so that keys can be rotated and withdrawn.
// Tokens with invented key ids cause at most one fetch in MinAge. KeySet is
// safe for concurrent use.
type KeySet struct {
	fetch func(context.Context) (Keys, error)
	now   func() time.Time

	last atomic.Pointer[fetched]
	// turn has one place, held by the goroutine that fetches. A goroutine that
	// finds its key in last does not wait for it.
	turn chan struct{}
}

// fetched is the state after a fetch.
type fetched struct {
	keys Keys      // of the last fetch that succeeded
	at   time.Time // when that fetch began
	// err is the error of the last fetch, at failedAt; nil if it succeeded.
	err      error
	failedAt time.Time
}

// NewKeySet returns a KeySet with the keys that fetch returns. fetch must
// return within five seconds. NewKeySet itself fetches nothing. While fetches
// fail, the keys stay in use until they are MaxStale old.
func NewKeySet(fetch func(context.Context) (Keys, error), now func() time.Time) *KeySet {
	s := &KeySet{fetch: fetch, now: now, turn: make(chan struct{}, 1)}
	s.last.Store(&fetched{})
	return s
}

// Key returns the key with that id, or ErrUnknownKey if the set has none. Any
// other error means that the keys could not be fetched, or that ctx ended.
func (s *KeySet) Key(ctx context.Context, id string) (*jose.JSONWebKey, error) {
	if key, settled, err := s.answer(s.last.Load(), id); settled {
		return key, err
	}
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-s.turn }()
	last := s.last.Load()
	if key, settled, err := s.answer(last, id); settled {
		return key, err // another goroutine has fetched in the meantime
	}
	// Other requests wait for this fetch, so the end of one request must not
	// cancel it.
	fetching, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	began := s.now()
	keys, err := s.fetch(fetching)
	next := &fetched{keys: keys, at: began}
	if err != nil {
		next = &fetched{keys: last.keys, at: last.at, err: err, failedAt: s.now()}
		if !clock.Fresh(last.at, next.failedAt, MaxStale) {
			next.keys = nil
		}
	}
	s.last.Store(next)
	if key := next.keys[id]; key != nil || next.err == nil {
		return known(key)
	}
	return nil, next.err
}

// answer returns the result of Key and true if no fetch is needed.
func (s *KeySet) answer(f *fetched, id string) (key *jose.JSONWebKey, settled bool, err error) {
	key = f.keys[id]
	now := s.now()
	failing := f.err != nil && clock.Fresh(f.failedAt, now, RetryTime)
	switch {
	case key != nil && (failing || clock.Fresh(f.at, now, MaxAge)):
		return key, true, nil
	case key == nil && f.keys != nil && clock.Fresh(f.at, now, MinAge):
		_, err = known(nil)
		return nil, true, err
	case failing:
		return nil, true, f.err
	}
	return nil, false, nil
}

func known(key *jose.JSONWebKey) (*jose.JSONWebKey, error) {
	if key == nil {
		return nil, ErrUnknownKey
	}
	return key, nil
}

// FetchKeys fetches a JWK Set and returns its keys that can verify signatures
// of one of algorithms. It returns an error if there is no such key.
func FetchKeys(ctx context.Context, client *http.Client, url string, algorithms []jose.SignatureAlgorithm) (Keys, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxBody+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("status %d, then: %w", resp.StatusCode, err)
	case resp.StatusCode != http.StatusOK || len(body) > MaxBody:
		return nil, fmt.Errorf("status %d with %d bytes", resp.StatusCode, len(body))
	}
	return parse(body, algorithms)
}

// parse returns the usable keys of a JWK Set. It ignores keys of unknown types,
// and keys with unknown or unsuitable values (RFC 7517 §5). The member alg is
// OPTIONAL (§4.4): a key with alg is used only for that algorithm, a key
// without it for all of algorithms.
func parse(body []byte, algorithms []jose.SignatureAlgorithm) (Keys, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, fmt.Errorf("not a key set: %w", err)
	}
	keys := make(Keys)
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		if k.UnmarshalJSON(raw) != nil || !k.Valid() || !k.IsPublic() || k.KeyID == "" || k.Use != "" && k.Use != "sig" {
			continue
		}
		if r, ok := k.Key.(*rsa.PublicKey); ok && r.N.BitLen() < minRSA {
			continue
		}
		if k.Algorithm == "" || slices.Contains(algorithms, jose.SignatureAlgorithm(k.Algorithm)) {
			keys[k.KeyID] = &k
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("none of %d keys is for %v", len(set.Keys), algorithms)
	}
	return keys, nil
}

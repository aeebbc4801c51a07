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
)

// ErrUnknownKey means that there is no such key.
var ErrUnknownKey = errors.New("no such key")

const (
	// MaxAge is when the keys are fetched again without a reason: the time after
	// which a key that was withdrawn is not known any more.
	MaxAge = time.Hour
	// MinAge is how long a key that the set does not have is taken not to exist.
	MinAge = 30 * time.Second
	// RetryTime is how long nothing is fetched after a failure, so that what
	// does not answer does not hold everybody up.
	RetryTime = 2 * time.Second
	// MaxBody is the most bytes a document may have.
	MaxBody = 256 << 10

	fetchTimeout = 5 * time.Second
	minRSA       = 2048 // bits (RFC 7518 §3.3)
)

// Keys are public keys by their id.
type Keys map[string]*jose.JSONWebKey

// KeySet is a JWK Set (RFC 7517 §5) that is fetched when a key is needed that it
// lacks, and now and then, so that keys can be rotated and withdrawn. Tokens with
// invented key ids cause no more than one fetch every half a minute.
// It. It is safe for concurrent use.
type KeySet struct {
	fetch func(context.Context) (Keys, error)
	now   func() time.Time
	// maxStale is how old the keys may be that are used while none can be
	// fetched; 0 is any age.
	maxStale time.Duration

	last atomic.Pointer[fetched]
	// turn is taken by the one who fetches. Nobody waits for it who finds the
	// key in last.
	turn chan struct{}
}

// fetched is what the last fetch came to.
type fetched struct {
	keys Keys      // of the last one that succeeded
	at   time.Time // when that was
	// err is why later ones, the last at failedAt, did not.
	err      error
	failedAt time.Time
}

// NewKeySet returns a Set whose keys are those that fetch returns, which has five
// seconds. It fetches nothing yet. Keys that cannot be fetched anew stay good
// until they are maxStale old; 0 is for ever.
func NewKeySet(fetch func(context.Context) (Keys, error), maxStale time.Duration, now func() time.Time) *KeySet {
	// The wall clock decides: the monotonic clock may stand still while Lambda
	// has the process frozen, and a withdrawn key would then stay good for days.
	wall := func() time.Time { return now().Round(0) }
	s := &KeySet{fetch: fetch, now: wall, maxStale: maxStale, turn: make(chan struct{}, 1)}
	s.last.Store(&fetched{})
	return s
}

// Key returns the key with that id. There being none is ErrUnknownKey; any other
// error means that the keys could not be fetched.
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
		return key, err // somebody else has fetched meanwhile
	}
	// Others depend on it, so it is not for one of them to break it off.
	fetching, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	keys, err := s.fetch(fetching)
	next := &fetched{keys: keys, at: s.now()}
	if err != nil {
		next = &fetched{keys: last.keys, at: last.at, err: err, failedAt: s.now()}
		if s.maxStale > 0 && s.now().Sub(last.at) >= s.maxStale {
			next.keys = nil
		}
	}
	s.last.Store(next)
	if key := next.keys[id]; key != nil || next.err == nil {
		return known(key)
	}
	return nil, next.err
}

// answer returns what is to be said of the key with that id without fetching
// anything, if that is settled.
func (s *KeySet) answer(f *fetched, id string) (key *jose.JSONWebKey, settled bool, err error) {
	key = f.keys[id]
	age := s.now().Sub(f.at)
	failing := f.err != nil && s.now().Sub(f.failedAt) < RetryTime
	switch {
	case key != nil && (failing || age < MaxAge):
		return key, true, nil
	case key == nil && f.keys != nil && age < MinAge:
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

// FetchKeys fetches a JWK Set and returns the keys that verify signatures of one of
// algorithms. There being none is an error.
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

// parse passes over keys that are not for us (RFC 7517 §5). A key need not say
// what algorithm it is for (§4.4); what it says it is held to.
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

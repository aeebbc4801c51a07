package accesstoken

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// maxKeysAge is when the keys are fetched again without a reason.
	maxKeysAge = time.Hour
	// minKeysAge is how long a key that the set does not have is taken not to
	// exist. Whoever makes up key ids causes no more fetches than that.
	minKeysAge = 30 * time.Second
	// retryTime is how long nothing is fetched after a failure, so that what
	// does not answer does not hold everybody up.
	retryTime    = 2 * time.Second
	fetchTimeout = 5 * time.Second
	maxKeySet    = 256 << 10
)

// keySet is a key set that is fetched when a key is wanted that it lacks.
type keySet struct {
	url  string
	http *http.Client
	now  func() time.Time

	last atomic.Pointer[fetched]
	// turn is taken by the one who fetches. Nobody waits for it who finds the
	// key in last.
	turn chan struct{}
}

// fetched is what the last fetch came to.
type fetched struct {
	keys map[string]*jose.JSONWebKey // of the last one that succeeded
	at   time.Time                   // when that was
	// err is why later ones, the last at failedAt, did not.
	err      error
	failedAt time.Time
}

func newKeySet(url string, client *http.Client, now func() time.Time) *keySet {
	s := &keySet{url: url, http: new(http.Client), now: now, turn: make(chan struct{}, 1)}
	if client != nil {
		*s.http = *client
	}
	s.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s.last.Store(&fetched{})
	return s
}

// key returns the key with that id. There being none is ErrInvalid; any other
// error means that the keys could not be fetched. Keys that cannot be fetched
// anew stay good.
func (s *keySet) key(ctx context.Context, id string) (*jose.JSONWebKey, error) {
	if key, settled, err := s.last.Load().answer(id, s.now()); settled {
		return key, err
	}
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-s.turn }()
	last := s.last.Load()
	if key, settled, err := last.answer(id, s.now()); settled {
		return key, err // somebody else has fetched meanwhile
	}
	keys, err := s.fetch(ctx)
	next := &fetched{keys: keys, at: s.now()}
	if err != nil {
		next = &fetched{keys: last.keys, at: last.at, err: fmt.Errorf("fetch the keys of the user pool: %w", err), failedAt: s.now()}
	}
	s.last.Store(next)
	if key := next.keys[id]; key != nil || next.err == nil {
		return known(key)
	}
	return nil, next.err
}

// answer returns what is to be said of the key with that id without fetching
// anything, if that is settled.
func (f *fetched) answer(id string, now time.Time) (key *jose.JSONWebKey, settled bool, err error) {
	key = f.keys[id]
	failing := f.err != nil && now.Sub(f.failedAt) < retryTime
	switch {
	case key != nil && (failing || now.Sub(f.at) < maxKeysAge):
		return key, true, nil
	case key == nil && f.keys != nil && now.Sub(f.at) < minKeysAge:
		_, err = known(nil)
		return nil, true, err
	case failing:
		return nil, true, f.err
	}
	return nil, false, nil
}

func known(key *jose.JSONWebKey) (*jose.JSONWebKey, error) {
	if key == nil {
		return nil, fmt.Errorf("%w: no such key", ErrInvalid)
	}
	return key, nil
}

func (s *keySet) fetch(ctx context.Context) (map[string]*jose.JSONWebKey, error) {
	// Others depend on it, so it is not for one of them to break it off.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxKeySet+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("status %d, then: %w", resp.StatusCode, err)
	case resp.StatusCode != http.StatusOK || len(body) > maxKeySet:
		return nil, fmt.Errorf("status %d with %d bytes", resp.StatusCode, len(body))
	}
	return parseKeySet(body)
}

// parseKeySet reads the keys that sign with RS256. Others are passed over (RFC
// 7517 §5).
func parseKeySet(body []byte) (map[string]*jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, fmt.Errorf("not a key set: %w", err)
	}
	keys := make(map[string]*jose.JSONWebKey)
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		if k.UnmarshalJSON(raw) != nil || !k.Valid() || !k.IsPublic() || k.KeyID == "" {
			continue
		}
		if k.Algorithm == string(jose.RS256) && (k.Use == "" || k.Use == "sig") {
			keys[k.KeyID] = &k
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("none of %d keys is for RS256", len(set.Keys))
	}
	return keys, nil
}

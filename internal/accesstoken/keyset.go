package accesstoken

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// maxKeysAge is when the keys are fetched again without a reason.
	maxKeysAge = time.Hour
	// minKeysAge is how long a key that the set does not have is taken not to
	// exist. Whoever makes up key ids causes no more fetches than that.
	minKeysAge   = 30 * time.Second
	fetchTimeout = 5 * time.Second
	maxKeySet    = 256 << 10
)

// keySet is a key set that is fetched when a key is wanted that it lacks.
type keySet struct {
	url  string
	http *http.Client
	now  func() time.Time

	// turn holds what was fetched last. Who takes it out has the turn, and puts
	// it back.
	turn chan fetched
}

type fetched struct {
	keys map[string]*jose.JSONWebKey
	at   time.Time
}

func newKeySet(url string, client *http.Client, now func() time.Time) *keySet {
	s := &keySet{url: url, http: new(http.Client), now: now, turn: make(chan fetched, 1)}
	if client != nil {
		*s.http = *client
	}
	s.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s.turn <- fetched{}
	return s
}

// key returns the key with that id. There being none is ErrInvalid; any other
// error means that the keys could not be fetched. Keys that cannot be fetched
// anew stay good.
func (s *keySet) key(ctx context.Context, id string) (*jose.JSONWebKey, error) {
	var f fetched
	select {
	case f = <-s.turn:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { s.turn <- f }()

	key, age := f.keys[id], s.now().Sub(f.at)
	if key != nil && age < maxKeysAge || key == nil && f.keys != nil && age < minKeysAge {
		return known(key)
	}
	keys, err := s.fetch(ctx)
	switch {
	case err == nil:
		f = fetched{keys, s.now()}
	case key == nil:
		return nil, fmt.Errorf("fetch the keys of the user pool: %w", err)
	}
	return known(f.keys[id])
}

func known(key *jose.JSONWebKey) (*jose.JSONWebKey, error) {
	if key == nil {
		return nil, fmt.Errorf("%w: no such key", ErrInvalid)
	}
	return key, nil
}

func (s *keySet) fetch(ctx context.Context) (map[string]*jose.JSONWebKey, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
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

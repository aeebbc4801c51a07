package world

import (
	"context"
	"errors"
	"iter"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// InBubble runs f in a synctest bubble, where time passes only while all
// goroutines wait.
func InBubble(t *testing.T, f func(t *testing.T, w *Brokered)) {
	synctest.Test(t, func(t *testing.T) {
		w := NewBrokered(t)
		w.Clock.Tick()
		f(t, w)
	})
}

// LaggingStore lists the app clients with these keys as due, due or not.
type LaggingStore struct {
	broker.Store
	Keys []string
}

func (s *LaggingStore) Due(context.Context, time.Time, string) iter.Seq2[broker.DueRecord, error] {
	return func(yield func(broker.DueRecord, error) bool) {
		for _, key := range s.Keys {
			if !yield(broker.DueRecord{Kind: broker.DueAppClient, Key: key}, nil) {
				return
			}
		}
	}
}

// WantNoClient checks that a client cannot be used in s.
func WantNoClient(t testing.TB, what string, s *Broker, clientID string) {
	t.Helper()
	if _, err := s.Client(t.Context(), clientID); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("%s: Client = %v, want ErrNotFound", what, err)
	}
}

// AtRest checks that a client cannot be used, read or changed in s, which is in
// the other mode.
func AtRest(t testing.TB, s *Broker, clientID, body string, rat credential.Token) {
	t.Helper()
	WantNoClient(t, "of the other mode", s, clientID)
	_, err := s.Read(t.Context(), clientID, rat)
	WantCode(t, "Read", err, dcr.InvalidToken)
	_, err = s.Update(t.Context(), clientID, rat, Update(t, body, clientID))
	WantCode(t, "Update", err, dcr.InvalidToken)
}

// AtOnce runs f n times at once, and returns how often it succeeded. Every other
// error has the code refused.
func AtOnce(t testing.TB, n int, refused dcr.Code, f func() error) (succeeded int) {
	t.Helper()
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = f() })
	}
	wg.Wait()
	for _, err := range errs {
		if err == nil {
			succeeded++
			continue
		}
		WantCode(t, "loser", err, refused)
	}
	return succeeded
}

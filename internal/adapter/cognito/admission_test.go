package cognito

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// counters is a Counters in memory.
type counters struct {
	mu    sync.Mutex
	taken map[string]int
	asked int
	err   error
}

func (s *counters) Count(_ context.Context, c broker.Counter) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if s.err != nil {
		return s.err
	}
	if s.taken == nil {
		s.taken = make(map[string]int)
	}
	if s.taken[c.Key] >= c.Limit {
		return broker.ErrExhausted
	}
	s.taken[c.Key]++
	return nil
}

// fill counts as many calls of op in the second of at as are admitted, as
// another process could do.
func (s *counters) fill(t *testing.T, op operation, at time.Time) {
	t.Helper()
	for range callsPerSecond {
		key := fmt.Sprintf("cognito/%s/%s#%d", here.pool, op.name, at.Unix())
		if err := s.Count(t.Context(), broker.Counter{Key: key, Limit: callsPerSecond}); err != nil {
			t.Fatalf("Count = %v, want nil", err)
		}
	}
}

// clock moves only when the caller sleeps.
type clock struct{ *fake.Clock }

func newClock() *clock { return &clock{fake.ClockAt(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC))} }

func (c *clock) sleep(ctx context.Context, d time.Duration) error {
	c.Advance(d)
	return ctx.Err()
}

// admitting returns app clients on the real clock, for a testing/synctest
// bubble.
func admitting(t *testing.T, s Counters) *AppClients {
	t.Helper()
	c, err := New(cip.New(cip.Options{Region: "us-east-1"}), Config{Pool: here.pool, Deployment: here.deployment, Settings: fixed(DefaultSettings()), Counters: s, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAdmissionLetsFourCallsOfAnOperationThroughEachSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := admitting(t, &counters{})
		start := time.Now()
		var mu sync.Mutex
		perSecond := map[int]int{}
		var wg sync.WaitGroup
		for range 12 {
			wg.Go(func() {
				if err := c.admit(t.Context(), opCreate); err != nil {
					t.Errorf("admit = %v, want nil", err)
				}
				mu.Lock()
				defer mu.Unlock()
				perSecond[int(time.Since(start)/time.Second)]++
			})
		}
		wg.Wait()
		for second := range 3 {
			if got := perSecond[second]; got != 4 {
				t.Errorf("%d calls in second %d, want 4", got, second)
			}
		}
	})
}

func TestAdmissionIsForEachOperationAndPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &counters{}
		c := admitting(t, s)
		other := admitting(t, s)
		other.pool = "us-east-1_Another"
		s.fill(t, opCreate, time.Now())
		start := time.Now()
		for _, err := range []error{c.admit(t.Context(), opUpdate), other.admit(t.Context(), opCreate)} {
			if err != nil || time.Since(start) != 0 {
				t.Errorf("admit = %v after %s, want nil immediately", err, time.Since(start))
			}
		}
	})
}

func TestAdmissionGivesUpWithinTwoSeconds(t *testing.T) {
	tests := []struct {
		into time.Duration // how long after the start of a second the call comes
		want time.Duration // how long the call waits before it gives up
	}{
		{0, 2 * time.Second},
		{300 * time.Millisecond, 1700 * time.Millisecond},
		{999 * time.Millisecond, 1001 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.into.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &counters{}
				for second := range 4 {
					s.fill(t, opCreate, time.Now().Add(time.Duration(second)*time.Second))
				}
				time.Sleep(tt.into)
				start := time.Now()
				err := admitting(t, s).admit(t.Context(), opCreate)
				checkVerdict(t, err, throttled)
				if !errors.Is(err, broker.ErrCallLimit) {
					t.Errorf("admit = %v, want one that wraps ErrCallLimit", err)
				}
				if got := time.Since(start); got != tt.want {
					t.Errorf("gave up after %s, want %s", got, tt.want)
				}
			})
		})
	}
}

func TestAdmissionEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &counters{}
		s.fill(t, opCreate, time.Now())
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		start := time.Now()
		err := admitting(t, s).admit(ctx, opCreate)
		checkVerdict(t, err, throttled)
		if got := time.Since(start); got != 100*time.Millisecond || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("admit = %v after %s, want the context's error after 100ms", err, got)
		}
	})
}

func TestACallIsNotMadeWhenTheCountFails(t *testing.T) {
	broken := errors.New("no table")
	c := open(t, fails(errors.New("a request was sent, want none")))
	c.counters = &counters{err: broken}
	_, err := c.Create(t.Context(), marker, public())
	checkVerdict(t, err, throttled)
	if !errors.Is(err, broken) {
		t.Errorf("Create = %v, want the cause in the log", err)
	}
}

// In production a broker.Store admits.
var _ Counters = broker.Store(nil)

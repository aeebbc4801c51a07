package contract

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// A Fault decides about each request that a store sends to its table. The zero
// value lets all through. It is safe for concurrent use.
type Fault struct {
	mu    sync.Mutex
	armed bool
	at, n int
	point fake.Point
}

// arm makes the n-th request from now on fail.
func (f *Fault) arm(n int, p fake.Point) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.armed, f.at, f.n, f.point = true, n, 0, p
}

// disarm lets all requests through, and reports whether one has failed.
func (f *Fault) disarm() (failed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.armed = false
	return f.n >= f.at
}

// Next counts a request. It returns where it fails, if it does.
func (f *Fault) Next() (fake.Point, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	return f.point, f.armed && f.n == f.at
}

// Do runs a request that do sends, with the fault that is due.
func (f *Fault) Do(_ context.Context, _ string, do func() error) error {
	point, fails := f.Next()
	if !fails {
		return do()
	}
	if point == fake.ReplyLost {
		if err := do(); err != nil {
			return err
		}
	}
	return fake.ErrInjected
}

// TestConfigurationFaults tests Append when one request to the table fails,
// each in turn, before and after its effect. The store that open returns is
// empty and asks the fault before each request.
func TestConfigurationFaults(t *testing.T, open func(*testing.T, *Fault) configuration.Store) {
	for _, point := range []fake.Point{fake.NotApplied, fake.ReplyLost} {
		for _, stored := range []int{0, configuration.Kept} {
			t.Run(fmt.Sprintf("%s, after %d versions", point, stored), func(t *testing.T) {
				var fault Fault
				s := open(t, &fault)
				testAppendFaults(t, s, &fault, point, appendVersions(t, s, 1, stored))
			})
		}
	}
}

// testAppendFaults appends a version with a fault in the first request, another
// one with a fault in the second, and so on until no request is left. Between
// them it appends versions without a fault, which remove what is left.
func testAppendFaults(t *testing.T, s configuration.Store, fault *Fault, point fake.Point, all []configuration.Version) {
	kept := func() []configuration.Version { return all[:min(len(all), configuration.Kept)] }
	failed := 0
	for n := 1; ; n++ {
		number := len(all) + 1
		body := document(fmt.Sprint(number))
		v := version(number, body)
		fault.arm(n, point)
		err := s.Append(t.Context(), v, body)
		hit := fault.disarm()
		what := fmt.Sprintf("version %d, fault in request %d, error %v", number, n, err)
		if errors.Is(err, configuration.ErrChanged) {
			t.Fatalf("%s: nobody else has stored a version", what)
		}
		versions, readErr := s.Versions(t.Context())
		check(t, what+": Versions", readErr, nil)
		isStored := slices.Contains(versions, v)
		switch {
		case err == nil && !isStored:
			t.Fatalf("%s: it is not stored", what)
		case !isStored:
			wantVersions(t, what, s, kept()...)
			check(t, what+": Append again", s.Append(t.Context(), v, body), nil)
		}
		all = append([]configuration.Version{v}, all...)
		wantVersions(t, what, s, kept()...)
		if err != nil {
			failed++
		}
		if !hit {
			break
		}
		all = append(appendVersions(t, s, len(all)+1, len(all)+1), all...)
	}
	if failed < 3 {
		t.Errorf("%d Appends have failed, want at least those with a fault in the read, the document and the head", failed)
	}
	all = append(appendVersions(t, s, len(all)+1, len(all)+1), all...)
	wantVersions(t, "after all faults", s, kept()...)
	for _, v := range all[len(kept()):] {
		wantNoBody(t, "after all faults", s, v)
	}
}

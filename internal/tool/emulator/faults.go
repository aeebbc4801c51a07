package emulator

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Effect is what a Fault does to a call.
type Effect int

// The effects. "Before" means that nothing was applied, "after" that the call
// was applied and only the response is lost.
const (
	// FailBefore returns an internal error (or Fault.Exception).
	FailBefore Effect = iota + 1
	// FailAfter applies the call, then returns the error of FailBefore.
	FailAfter
	// CutBefore closes the connection without a response.
	CutBefore
	// CutAfter applies the call, then closes the connection without a response.
	CutAfter
	// Throttle returns TooManyRequestsException, or 429 at the endpoints.
	Throttle
	// SlowBefore waits (see Fault.Delay, Fault.Until), then serves the call. If
	// the caller gives up first, nothing is applied.
	SlowBefore
	// SlowAfter applies the call, then waits before it responds.
	SlowAfter
)

// Fault changes the next calls of one operation.
//
// The Cut effects need a net/http server around the emulator; without one they
// panic with http.ErrAbortHandler.
//
// The operations are the API names of the control plane, and for the endpoints
// "authorize", "login", "logout", "token", "revoke", "userInfo", "discovery"
// and "jwks".
type Fault struct {
	Effect Effect
	Times  int // number of calls; 0 means until cleared

	// Exception is the error of FailBefore and FailAfter at a control plane
	// operation in place of an internal error, for example
	// "ConcurrentModificationException".
	Exception string

	// Slow calls wait for Delay, or until Until is closed. With neither they
	// wait until the caller gives up.
	Delay time.Duration
	Until <-chan struct{}
}

// Faults holds the injected faults. It is safe for concurrent use.
type Faults struct {
	mu     sync.Mutex
	queued map[string][]Fault
}

func newFaults() *Faults { return &Faults{queued: make(map[string][]Fault)} }

// Inject adds fault for calls of op, after the faults of op that are not used
// up yet.
func (f *Faults) Inject(op string, fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queued[op] = append(f.queued[op], fault)
}

// Clear removes the faults of these operations, or all faults if ops is empty.
func (f *Faults) Clear(ops ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(ops) == 0 {
		clear(f.queued)
	}
	for _, op := range ops {
		delete(f.queued, op)
	}
}

// Pending returns the number of faults of op that are not used up.
func (f *Faults) Pending(op string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.queued[op])
}

// take returns the fault for this call of op and counts it as one use.
func (f *Faults) take(op string) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	q := f.queued[op]
	if len(q) == 0 {
		return Fault{}, false
	}
	fault := q[0]
	if fault.Times == 1 {
		f.queued[op] = slices.Delete(q, 0, 1)
	} else if fault.Times > 1 {
		q[0].Times--
	}
	return fault, true
}

// serve runs next with the fault f. fail and throttled write the error
// responses of the called interface.
func (f Fault) serve(w http.ResponseWriter, r *http.Request, next http.HandlerFunc, fail, throttled func(http.ResponseWriter)) {
	switch f.Effect {
	case FailAfter, CutAfter:
		next(newBufferedResponse(), r)
	case SlowBefore:
		// net/http notices that a caller gave up only once the body has been read.
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxControlBody))
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if f.wait(r) {
			next(w, r)
		}
		return
	case SlowAfter:
		buffered := newBufferedResponse()
		next(buffered, r)
		if f.wait(r) {
			buffered.release(w)
		}
		return
	case Throttle:
		throttled(w)
		return
	}
	if f.Effect == CutBefore || f.Effect == CutAfter {
		// On this panic net/http closes the connection without a response.
		panic(http.ErrAbortHandler)
	}
	fail(w)
}

// wait waits for the fault's delay and reports whether the caller is still
// there.
func (f Fault) wait(r *http.Request) bool {
	var timer <-chan time.Time
	if f.Delay > 0 {
		t := time.NewTimer(f.Delay)
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-timer:
	case <-f.Until:
	case <-r.Context().Done():
		return false
	}
	return true
}

// bufferedResponse is a response that is not sent yet.
type bufferedResponse struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func newBufferedResponse() *bufferedResponse {
	return &bufferedResponse{header: make(http.Header), status: http.StatusOK}
}

func (h *bufferedResponse) Header() http.Header         { return h.header }
func (h *bufferedResponse) WriteHeader(status int)      { h.status = status }
func (h *bufferedResponse) Write(p []byte) (int, error) { return h.body.Write(p) }

func (h *bufferedResponse) release(w http.ResponseWriter) {
	maps.Copy(w.Header(), h.header)
	w.WriteHeader(h.status)
	_, _ = w.Write(h.body.Bytes())
}

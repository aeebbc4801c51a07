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

// Effect is the way a Fault spoils a call.
type Effect int

// The effects. "Before" means that nothing was applied, "after" that the call did its work and only the answer is lost.
const (
	// FailBefore answers an internal error (or Fault.Exception).
	FailBefore Effect = iota + 1
	// FailAfter applies the call, then answers as FailBefore does.
	FailAfter
	// CutBefore closes the connection without an answer.
	CutBefore
	// CutAfter applies the call, then closes the connection without an answer.
	CutAfter
	// Throttle answers TooManyRequestsException, or 429 at the endpoints.
	Throttle
	// SlowBefore waits (see Fault.Delay, Fault.Until), then serves the call. If the caller gives up first, nothing is
	// applied.
	SlowBefore
	// SlowAfter applies the call, then waits before it answers.
	SlowAfter
)

// Fault is what happens to the next calls of one operation.
//
// The Cut effects need a net/http server around the emulator; called any other way they panic with http.ErrAbortHandler.
//
// Operations are those of the control plane by their API names, and the endpoints: "authorize", "login", "logout",
// "token", "revoke", "userInfo", "discovery", "jwks".
type Fault struct {
	Effect Effect
	Times  int // how many calls it spoils; 0 means until cleared

	// Exception is what FailBefore and FailAfter answer from a control plane operation, for example
	// "ConcurrentModificationException", instead of an internal error.
	Exception string

	// Slow calls wait for Delay, or until Until is closed, whichever is set. With neither they wait until the caller
	// gives up.
	Delay time.Duration
	Until <-chan struct{}
}

// Faults holds the faults to come. It is safe for concurrent use.
type Faults struct {
	mu     sync.Mutex
	queued map[string][]Fault
}

func newFaults() *Faults { return &Faults{queued: make(map[string][]Fault)} }

// Inject spoils calls of op as fault says, after the faults that were injected for op before and are not used up.
func (f *Faults) Inject(op string, fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queued[op] = append(f.queued[op], fault)
}

// Clear forgets the faults of the operations named, or all of them if none is.
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

// Pending returns how many faults are injected for op and not used up.
func (f *Faults) Pending(op string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.queued[op])
}

// take returns the fault for this call of op and uses it up once.
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

// spoil runs serve under fault. The functions fail and throttled write the answers of the interface that was called.
func (f Fault) spoil(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc, fail, throttled func(http.ResponseWriter)) {
	switch f.Effect {
	case FailAfter, CutAfter:
		serve(newHeldAnswer(), r)
	case SlowBefore:
		// net/http notices that a caller gave up only once the body has been read.
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxControlBody))
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if f.wait(r) {
			serve(w, r)
		}
		return
	case SlowAfter:
		held := newHeldAnswer()
		serve(held, r)
		if f.wait(r) {
			held.release(w)
		}
		return
	case Throttle:
		throttled(w)
		return
	}
	if f.Effect == CutBefore || f.Effect == CutAfter {
		// The way net/http gives a handler to close a connection without an answer.
		panic(http.ErrAbortHandler)
	}
	fail(w)
}

// wait returns whether the caller is still there when the fault's delay is over.
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

// heldAnswer is an answer that is kept back.
type heldAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func newHeldAnswer() *heldAnswer {
	return &heldAnswer{header: make(http.Header), status: http.StatusOK}
}

func (h *heldAnswer) Header() http.Header         { return h.header }
func (h *heldAnswer) WriteHeader(status int)      { h.status = status }
func (h *heldAnswer) Write(p []byte) (int, error) { return h.body.Write(p) }

func (h *heldAnswer) release(w http.ResponseWriter) {
	maps.Copy(w.Header(), h.header)
	w.WriteHeader(h.status)
	_, _ = w.Write(h.body.Bytes())
}

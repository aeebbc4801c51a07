package fake

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// ErrInjected is the error of a call that a test made fail.
var ErrInjected = errors.New("injected fault")

// Point says where in a call the fault is.
type Point int

const (
	// NotApplied fails before the effect: nothing has changed.
	NotApplied Point = iota
	// ReplyLost fails after the effect: it was applied, and the caller does not
	// know.
	ReplyLost
)

func (p Point) String() string {
	if p == ReplyLost {
		return "applied, reply lost"
	}
	return "not applied"
}

// Faults counts the calls of each method and makes the calls fail that a test
// has chosen. It is safe for concurrent use. It panics if the name of a method
// is unknown, because a fault that can never happen is a mistake in the test.
type Faults struct {
	methods []string

	mu     sync.Mutex
	calls  map[string]int
	faults []fault
	death  *death
	trace  *Trace
	decide func(Call) (Point, bool)
	hooks  map[string]func(do func() error) error
}

// A Call is the N-th call of a method, where 1 is the first since the start or
// the last Reset.
type Call struct {
	Method string
	N      int
}

func (c Call) String() string { return fmt.Sprintf("%s %d", c.Method, c.N) }

// A Trace is the calls of one or more Faults, in the order in which they were
// made. It is safe for concurrent use. The zero value is empty.
type Trace struct {
	mu    sync.Mutex
	calls []Call
}

// Calls returns the calls up to now, including those that failed.
func (t *Trace) Calls() []Call {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.calls)
}

func (t *Trace) add(c Call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls = append(t.calls, c)
}

// death is the end of a process, for all Faults that share it.
type death struct {
	fault
	of   *Faults
	come atomic.Bool
}

// A fault makes the calls first to last of a method fail.
type fault struct {
	method      string
	first, last int
	point       Point
}

// NewFaults returns switches for these methods, all off.
func NewFaults(methods ...string) *Faults {
	return &Faults{methods: methods, calls: make(map[string]int)}
}

// Methods are the names of the methods that can be made to fail.
func (f *Faults) Methods() []string { return slices.Clone(f.methods) }

// FailCall makes the n-th call of the method fail, where 1 is the first since
// the start or the last Reset.
func (f *Faults) FailCall(method string, n int, p Point) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.known(method)
	f.faults = append(f.faults, fault{method, n, n, p})
}

// FailNext makes the next n calls of the method fail.
func (f *Faults) FailNext(method string, n int, p Point) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.known(method)
	f.faults = append(f.faults, fault{method, f.calls[method] + 1, f.calls[method] + n, p})
}

// DieAt makes the n-th call of the method fail. From then on it makes every
// call of every method fail before its effect, in f and in others, as if the
// process had died at that call.
func (f *Faults) DieAt(method string, n int, p Point, others ...*Faults) {
	d := &death{fault: fault{method, n, n, p}, of: f}
	for _, each := range append(others, f) {
		each.mu.Lock()
		each.death = d
		each.mu.Unlock()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.known(method)
}

// FailBy makes each call from now on, until Reset, fail if decide returns true.
// decide runs with a lock held: it must not make calls.
func (f *Faults) FailBy(decide func(Call) (Point, bool)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.decide = decide
}

// Around makes hook run in place of each call of the method, until Reset. do is
// the call, and the caller gets the error of hook. hook can make calls.
func (f *Faults) Around(method string, hook func(do func() error) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.known(method)
	if f.hooks == nil {
		f.hooks = make(map[string]func(func() error) error)
	}
	inner := f.hooks[method]
	if inner == nil {
		inner = func(do func() error) error { return do() }
	}
	f.hooks[method] = func(do func() error) error { return hook(func() error { return inner(do) }) }
}

// Before makes act run before the next call of the method. If act returns an
// error, the call has no effect, and its caller gets the error.
func (f *Faults) Before(method string, act func() error) {
	f.next(method, func(do func() error) error {
		if err := act(); err != nil {
			return err
		}
		return do()
	})
}

// After makes act run after the next call of the method, if that succeeds. If act
// returns an error, the caller gets the error instead of the reply.
func (f *Faults) After(method string, act func() error) {
	f.next(method, func(do func() error) error {
		if err := do(); err != nil {
			return err
		}
		return act()
	})
}

// Pause makes the next call of the method wait before its effect until goOn is
// called. reached is closed when the call has come.
func (f *Faults) Pause(method string) (reached <-chan struct{}, goOn func()) {
	come, gone := make(chan struct{}), make(chan struct{})
	f.Before(method, func() error { close(come); <-gone; return nil })
	return come, func() { close(gone) }
}

// next is Around for the next call.
func (f *Faults) next(method string, hook func(do func() error) error) {
	var come atomic.Bool
	f.Around(method, func(do func() error) error {
		if come.CompareAndSwap(false, true) {
			return hook(do)
		}
		return do()
	})
}

// Calls returns how often the method was called since the start or the last
// Reset, including those that failed.
func (f *Faults) Calls(method string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.known(method)
	return f.calls[method]
}

// TraceTo adds the calls from now on to t, until Reset.
func (f *Faults) TraceTo(t *Trace) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.trace = t
}

// Reset removes all faults, functions, counts and the trace.
func (f *Faults) Reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = make(map[string]int)
	f.faults, f.death, f.trace, f.decide, f.hooks = nil, nil, nil, nil, nil
}

// Do counts a call of the method and runs call, unless the call fails before its
// effect. It returns the error of call, or ErrInjected.
func (f *Faults) Do(method string, call func() error) error {
	p, n, hook, failing := f.count(method)
	if !failing && hook != nil {
		return hook(call)
	}
	if !failing {
		return call()
	}
	if p == ReplyLost {
		_ = call() // the reply is lost, also an error
	}
	return fmt.Errorf("%s, call %d, %s: %w", method, n, p, ErrInjected)
}

// result is Do for a call that returns a value, which is lost with the reply.
func result[T any](f *Faults, method string, call func() (T, error)) (T, error) {
	var got, none T
	err := f.Do(method, func() (err error) {
		got, err = call()
		return err
	})
	if err != nil {
		return none, err
	}
	return got, nil
}

// count counts a call and reports whether it fails, and where. If it does not
// fail, the hook runs in its place, unless it is nil.
func (f *Faults) count(method string) (p Point, n int, hook func(func() error) error, failing bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.known(method)
	f.calls[method]++
	n = f.calls[method]
	if f.trace != nil {
		f.trace.add(Call{method, n})
	}
	if d := f.death; d != nil {
		if d.come.Load() {
			return NotApplied, n, nil, true
		}
		if d.of == f && d.method == method && d.first == n {
			d.come.Store(true)
			return d.point, n, nil, true
		}
	}
	for _, x := range f.faults {
		if x.method == method && x.first <= n && n <= x.last {
			return x.point, n, nil, true
		}
	}
	if f.decide != nil {
		if p, fails := f.decide(Call{method, n}); fails {
			return p, n, nil, true
		}
	}
	return 0, n, f.hooks[method], false
}

func (f *Faults) known(method string) {
	if !slices.Contains(f.methods, method) {
		panic(fmt.Sprintf("fake: no method %q, there are %q", method, f.methods))
	}
}

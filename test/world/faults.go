package world

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// WhateverFails runs f for each effect and fault, each time in a new world. f
// calls fault just before the step that may fail.
func WhateverFails(t *testing.T, f func(t *testing.T, w *Brokered, fault func())) {
	sample := NewBrokered(t)
	each := func(method string, which func(*Brokered) *fake.Faults) {
		for n := 1; n <= 4; n++ {
			for _, p := range []fake.Point{fake.NotApplied, fake.ReplyLost} {
				for _, dies := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s %d, %s, dies %t", method, n, p, dies), func(t *testing.T) {
						w := NewBrokered(t)
						f(t, w, func() {
							all := []*fake.Faults{w.Store.Faults, w.Pool.Faults, w.Grants.Faults}
							for _, f := range all {
								f.Reset()
							}
							if dies {
								which(w).DieAt(method, n, p, all...)
							} else {
								which(w).FailCall(method, n, p)
							}
						})
					})
				}
			}
		}
	}
	for _, method := range sample.Store.Methods() {
		each(method, func(w *Brokered) *fake.Faults { return w.Store.Faults })
	}
	for _, method := range sample.Pool.Methods() {
		each(method, func(w *Brokered) *fake.Faults { return w.Pool.Faults })
	}
	for _, method := range sample.Grants.Methods() {
		each(method, func(w *Brokered) *fake.Faults { return w.Grants.Faults })
	}
}

// Trouble describes the calls of a use case that fail.
type Trouble struct {
	Faults []plannedFault
	// Dies means that every call after the last of Faults fails too.
	Dies bool
	// calls are those that the use case made, in order.
	calls []fake.Call
}

type plannedFault struct {
	fake.Call
	fake.Point
}

func (f plannedFault) String() string { return fmt.Sprintf("%s %s", f.Call, f.Point) }

func (c *Trouble) String() string {
	var b strings.Builder
	for _, f := range c.Faults {
		fmt.Fprintf(&b, "%s, ", f)
	}
	if c.Dies {
		return b.String() + "then the process dies"
	}
	return b.String() + "then all is well"
}

// Hits reports whether a call of one of the methods fails.
func (c *Trouble) Hits(methods ...string) bool {
	return slices.ContainsFunc(c.Faults, func(f plannedFault) bool { return slices.Contains(methods, f.Method) })
}

// Single reports whether there is one fault and the process can clean up after
// it.
func (c *Trouble) Single() bool { return len(c.Faults) < 2 && !c.Dies }

// During runs the use case with the faults of c, and checks that it reaches each
// of them.
func (c *Trouble) During(w *World, useCase func()) {
	w.T.Helper()
	w.Store.Reset()
	w.Pool.Reset()
	var trace fake.Trace
	w.Store.TraceTo(&trace)
	w.Pool.TraceTo(&trace)
	for i, f := range c.Faults {
		faults, other := w.Store.Faults, w.Pool.Faults
		if slices.Contains(other.Methods(), f.Method) {
			faults, other = other, faults
		}
		if c.Dies && i == len(c.Faults)-1 {
			faults.DieAt(f.Method, f.N, f.Point, other)
		} else {
			faults.FailCall(f.Method, f.N, f.Point)
		}
	}
	useCase()
	c.calls = trace.Calls()
	for _, f := range c.Faults {
		if !slices.Contains(c.calls, f.Call) {
			w.T.Errorf("%s was not reached, the calls were %s", f, c.calls)
		}
	}
	w.Store.Reset()
	w.Pool.Reset()
}

// ForEachFault runs f, each time in a new world: first without a fault, to find
// the calls of its use case, and then with each of these calls failing, before
// and after it was applied, and with the process ending there or going on.
func ForEachFault(t *testing.T, f func(t *testing.T, w *World, c *Trouble)) {
	t.Helper()
	eachFault(t, nil, f)
}

// ForEachTwoFaults does what ForEachFault does, and then fails each pair of
// calls: one, and one of those that follow it.
func ForEachTwoFaults(t *testing.T, f func(t *testing.T, w *World, c *Trouble)) {
	t.Helper()
	eachFault(t, func(first *Trouble) {
		failed := first.Faults[0]
		i := slices.Index(first.calls, failed.Call)
		for _, call := range first.calls[i+1:] {
			for _, p := range Points {
				c := &Trouble{Faults: []plannedFault{failed, {call, p}}}
				t.Run(c.String(), func(t *testing.T) { f(t, New(t), c) })
			}
		}
	}, f)
}

// Points are the ways in which a call fails.
var Points = []fake.Point{fake.NotApplied, fake.ReplyLost}

// eachFault calls then, unless it is nil, after each fault with which the process
// went on.
func eachFault(t *testing.T, then func(*Trouble), f func(t *testing.T, w *World, c *Trouble)) {
	t.Helper()
	var dry Trouble
	f(t, New(t), &dry)
	if len(dry.calls) == 0 {
		t.Fatal("the use case makes no calls")
	}
	for _, call := range dry.calls {
		for _, p := range Points {
			for _, dies := range []bool{false, true} {
				c := &Trouble{Faults: []plannedFault{{call, p}}, Dies: dies}
				ok := t.Run(c.String(), func(t *testing.T) { f(t, New(t), c) })
				if ok && !dies && then != nil {
					then(c)
				}
			}
		}
	}
}

// WhateverTheOperatorDoes calls do with each effect failing once. The operator
// repeats it after an error, or does not; then the janitor sweeps.
func WhateverTheOperatorDoes(t *testing.T, do func(*Brokered, string) error, check func(t *testing.T, w *Brokered, id, key string, began bool)) {
	for _, repeats := range []bool{true, false} {
		t.Run(map[bool]string{true: "the operator repeats it", false: "the operator does not repeat it"}[repeats], func(t *testing.T) {
			WhateverFails(t, func(t *testing.T, w *Brokered, fault func()) {
				w.UseBrokeredPolicy(LifePolicy)
				id, _ := w.Vouched("trusted", AppBody)
				key := w.AppClientKey(id)
				w.MustProvision(key)
				w.Use(id)
				w.Allow(id)
				w.Recover(key)
				fault()
				err := do(w, id)
				if repeats && err != nil {
					w.Store.Reset()
					w.Grants.Reset()
					w.Pool.Reset()
					if err = do(w, id); err != nil {
						t.Errorf("repeated: %v", err)
					}
				}
				w.Recover()
				w.CheckConsistent(w.Existing(key)...)
				check(t, w, id, key, err == nil || errors.Is(err, broker.ErrLeftToSweep))
			})
		})
	}
}

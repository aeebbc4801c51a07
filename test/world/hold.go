package world

import (
	"fmt"
	"testing"

	"github.com/dcr-broker/dcr-broker/test/fake"
)

// A Scene is a use case in a world of its own, and what happens meanwhile.
type Scene struct {
	World   *World
	UseCase func()
	// Meantime is what other processes do: the first function while UseCase is
	// held at one of its calls, the second while it is held at a later one.
	Meantime []func()
	// Ends means that the context of UseCase ends during Meantime: a process that
	// dies soon afterwards does not make the call at which it was held.
	Ends bool
	// Check checks what is left afterwards.
	Check func()
}

// ending is what the process of a use case does when it was held for the last
// time.
type ending string

const (
	goesOn    ending = "goes on"
	dies      ending = "dies"
	diesAfter ending = "makes that call and dies"
)

// ForEachHold plays the scene again and again, each time in a new world. It
// holds the use case just before each of its calls in turn, and for a second
// Meantime also before each of the calls that follow it. Then the process of the
// use case goes on, or dies before or after that call.
func ForEachHold(t *testing.T, scene func(t *testing.T) Scene) {
	t.Helper()
	play := func(t *testing.T, e ending, at ...int) (held bool) {
		s := scene(t)
		h := &hold{ending: e, at: at, meantime: s.Meantime}
		h.during(s.World, s.UseCase)
		if len(h.meantime) == 0 {
			s.Check()
		}
		return len(h.meantime) == 0
	}
	stops := 0
	for first := 1; ; first++ {
		reached := false
		for _, e := range []ending{goesOn, dies, diesAfter} {
			s := scene(t)
			if s.Ends && e == diesAfter {
				continue
			}
			if len(s.Meantime) == 1 {
				t.Run(fmt.Sprintf("held at call %d, then %s", first, e), func(t *testing.T) { reached = play(t, e, first) })
				continue
			}
			for second, more := first+1, true; more; second++ {
				t.Run(fmt.Sprintf("held at calls %d and %d, then %s", first, second, e), func(t *testing.T) { more = play(t, e, first, second) })
				reached = reached || more
			}
		}
		if !reached {
			break
		}
		stops++
	}
	if stops == 0 {
		t.Error("the use case was held at none of its calls")
	}
}

// A hold stops a use case before the calls with the numbers at, where 1 is its
// first. It removes each number and function when the use case has reached it.
type hold struct {
	ending   ending
	at       []int
	meantime []func()

	calls   int
	waiting bool
	dead    bool
}

// during runs the use case.
func (h *hold) during(w *World, useCase func()) {
	all := []*fake.Faults{w.Store.Faults, w.Pool.Faults}
	for _, f := range all {
		f.Reset()
		for _, method := range f.Methods() {
			f.Around(method, h.call)
		}
	}
	useCase()
	for _, f := range all {
		f.Reset()
	}
}

// call is a call of the use case, or of another process meanwhile.
func (h *hold) call(do func() error) error {
	switch {
	case h.waiting:
		return do()
	case h.dead:
		return fake.ErrInjected
	}
	if h.calls++; len(h.at) == 0 || h.calls < h.at[0] {
		return do()
	}
	meantime := h.meantime[0]
	h.at, h.meantime = h.at[1:], h.meantime[1:]
	h.waiting = true
	meantime()
	h.waiting = false
	if len(h.at) > 0 || h.ending == goesOn {
		return do()
	}
	h.dead = true
	if h.ending == diesAfter {
		_ = do()
	}
	return fake.ErrInjected
}

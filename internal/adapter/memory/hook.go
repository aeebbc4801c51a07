package memory

import (
	"context"
	"iter"

	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
)

// A Hook is called in place of each operation of a Store, with the name of the
// method. do runs the operation and returns its error. The caller of the
// operation gets the hook's error, and a result only if this error is nil.
// Tests use hooks to make operations fail, before or after the effect, and to
// act between operations. A hook can use the store: the operation holds a lock
// only while do runs.
//
// An operation that returns a sequence calls the hook each time that the
// sequence is read, and do yields the records.
type Hook func(ctx context.Context, operation string, do func() error) error

// Hooked returns a Store with the records of s whose operations call hook. The
// do of hook calls the hook of s.
func (s *Store) Hooked(hook Hook) *Store { return newStore(hooked{s.table, hook}, s.now) }

// hooked is a table whose operations call a hook.
type hooked struct {
	table records.Table
	hook  Hook
}

func (h hooked) Get(ctx context.Context, op, key string) (records.Item, error) {
	return call(ctx, h, op, func() (records.Item, error) { return h.table.Get(ctx, op, key) })
}

func (h hooked) Write(ctx context.Context, op string, w records.Write) (records.Outcome, error) {
	return call(ctx, h, op, func() (records.Outcome, error) { return h.table.Write(ctx, op, w) })
}

func (h hooked) Identity(ctx context.Context, op string) (string, error) {
	return call(ctx, h, op, func() (string, error) { return h.table.Identity(ctx, op) })
}

func call[T any](ctx context.Context, h hooked, op string, do func() (T, error)) (T, error) {
	var got, none T
	err := h.hook(ctx, op, func() (err error) {
		got, err = do()
		return err
	})
	if err != nil {
		got = none
	}
	return got, err
}

func (h hooked) Query(ctx context.Context, op string, q records.Query) iter.Seq2[records.Item, error] {
	return func(yield func(records.Item, error) bool) {
		stopped := false
		err := h.hook(ctx, op, func() error {
			for it, err := range h.table.Query(ctx, op, q) {
				if err != nil {
					return err
				}
				if stopped = !yield(it, nil); stopped {
					return nil
				}
			}
			return nil
		})
		if err != nil && !stopped {
			yield(nil, err)
		}
	}
}

package memory

import (
	"context"
	"iter"
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
func (s *Store) Hooked(hook Hook) *Store {
	inner := *s
	return &Store{s.tables, func(ctx context.Context, operation string, do func() error) error {
		return hook(ctx, operation, func() error { return inner.run(ctx, operation, do) })
	}}
}

// run runs an operation through the hook.
func (s *Store) run(ctx context.Context, operation string, do func() error) error {
	if s.hook == nil {
		return do()
	}
	return s.hook(ctx, operation, do)
}

// do runs an operation, unless ctx is done. apply runs with s.mu held. Without
// a hook, do and result allocate only apply, because docs/performance.md
// measures requests with this store.
func (s *Store) do(ctx context.Context, operation string, apply func() error) error {
	if s.hook == nil {
		return s.locked(ctx, apply)
	}
	return s.hook(ctx, operation, func() error { return s.locked(ctx, apply) })
}

// result is do for an operation that returns a value.
func result[T any](ctx context.Context, s *Store, operation string, apply func() (T, error)) (got T, err error) {
	if s.hook == nil {
		err = s.locked(ctx, func() (err error) {
			got, err = apply()
			return err
		})
		return got, err
	}
	var reply T
	err = s.do(ctx, operation, func() (err error) {
		reply, err = apply()
		return err
	})
	if err == nil {
		got = reply
	}
	return got, err
}

// locked runs apply with s.mu held, unless ctx is done.
func (s *Store) locked(ctx context.Context, apply func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return apply()
}

// write is do for an operation that stores a record as a new version, which
// apply returns. The caller's record gets the version only if the caller gets
// no error.
func (s *Store) write(ctx context.Context, operation string, version *int64, apply func() (int64, error)) error {
	stored, err := result(ctx, s, operation, apply)
	if err == nil {
		*version = stored
	}
	return err
}

// sequence yields items that it collects at the start, with s.mu held, so that
// the caller can use the store while it reads the sequence.
func sequence[T any](ctx context.Context, s *Store, operation string, collect func() []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		stopped := false
		err := s.run(ctx, operation, func() error {
			var items []T
			err := s.locked(ctx, func() error {
				items = collect()
				return nil
			})
			for i := 0; i < len(items) && err == nil && !stopped; i++ {
				if err = ctx.Err(); err == nil {
					stopped = !yield(items[i], nil)
				}
			}
			return err
		})
		if err != nil && !stopped {
			var none T
			yield(none, err)
		}
	}
}

package fake

import (
	"context"
	"reflect"

	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
)

// Store is an in-memory store with faults. The names of the methods are those of
// broker.Store, broker.GrantStore and configuration.Store. A sequence whose reply is lost yields
// everything and then the error.
type Store struct {
	*memory.Store
	*Faults
}

// NewStore returns a Store with the records of s. Calls of s itself do not fail
// and are not counted.
func NewStore(s *memory.Store) *Store {
	var methods []string
	for _, port := range []reflect.Type{reflect.TypeFor[broker.Store](), reflect.TypeFor[broker.GrantStore](), reflect.TypeFor[configuration.Store]()} {
		for m := range port.Methods() {
			methods = append(methods, m.Name)
		}
	}
	f := NewFaults(methods...)
	return &Store{
		Store:  s.Hooked(func(_ context.Context, operation string, do func() error) error { return f.Do(operation, do) }),
		Faults: f,
	}
}

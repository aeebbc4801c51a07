package fake_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/test/contract"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

func TestStore_keeps_the_contracts_while_no_fault_is_set(t *testing.T) {
	open := func(now func() time.Time) *fake.Store { return fake.NewStore(memory.NewStore(now)) }
	contract.TestStore(t, func(_ *testing.T, now func() time.Time) broker.Store { return open(now) })
	contract.TestGrantStore(t, func(_ *testing.T, now func() time.Time) broker.GrantStore { return open(now) })
}

// Each method has a switch with its name, and calls no other method.
func TestStore_has_a_switch_for_every_method(t *testing.T) {
	for _, port := range []reflect.Type{reflect.TypeFor[broker.Store](), reflect.TypeFor[broker.GrantStore]()} {
		for m := range port.Methods() {
			var trace fake.Trace
			s := fake.NewStore(memory.NewStore(nil))
			s.TraceTo(&trace)
			s.FailNext(m.Name, 1, fake.NotApplied)
			if err := callWithZeros(t.Context(), reflect.ValueOf(s).MethodByName(m.Name)); !errors.Is(err, fake.ErrInjected) {
				t.Errorf("%s: got error %v, want %v", m.Name, err, fake.ErrInjected)
			}
			if got, want := trace.Calls(), []fake.Call{{Method: m.Name, N: 1}}; !slices.Equal(got, want) {
				t.Errorf("%s: got calls %v, want %v", m.Name, got, want)
			}
		}
	}
}

// callWithZeros calls a method of a store with zero values, and returns its error
// or the last error of the sequence that it returns.
func callWithZeros(ctx context.Context, method reflect.Value) error {
	in := []reflect.Value{reflect.ValueOf(ctx)}
	for i := 1; i < method.Type().NumIn(); i++ {
		arg := method.Type().In(i)
		if arg.Kind() == reflect.Pointer {
			in = append(in, reflect.New(arg.Elem()))
			continue
		}
		in = append(in, reflect.Zero(arg))
	}
	out := method.Call(in)
	last := out[len(out)-1]
	if last.Kind() == reflect.Func {
		for _, e := range last.Seq2() {
			last = e
		}
	}
	err, _ := last.Interface().(error)
	return err
}

func TestStore_fails_before_or_after_the_effect(t *testing.T) {
	for _, tt := range []struct {
		point fake.Point
		want  error // of reading the created record
	}{
		{fake.NotApplied, broker.ErrNotFound},
		{fake.ReplyLost, nil},
	} {
		t.Run(tt.point.String(), func(t *testing.T) {
			s := fake.NewStore(memory.NewStore(nil))
			s.FailCall("CreateAppClient", 1, tt.point)
			a := &broker.AppClient{Key: "a"}
			if err := s.CreateAppClient(t.Context(), a); !errors.Is(err, fake.ErrInjected) {
				t.Errorf("create: got error %v, want %v", err, fake.ErrInjected)
			}
			if a.Version != 0 {
				t.Errorf("version: got %d, want 0, because the caller got no reply", a.Version)
			}
			if _, err := s.AppClient(t.Context(), "a"); !errors.Is(err, tt.want) {
				t.Errorf("read: got error %v, want %v", err, tt.want)
			}
		})
	}
}

func TestStore_loses_what_a_read_returned(t *testing.T) {
	s := fake.NewStore(memory.NewStore(nil))
	r := &broker.Registration{ClientID: "c"}
	if err := s.CreateRegistration(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	s.FailNext("Registration", 1, fake.ReplyLost)
	if got, err := s.Registration(t.Context(), "c"); got != nil || !errors.Is(err, fake.ErrInjected) {
		t.Errorf("read: got %+v and error %v, want nil and %v", got, err, fake.ErrInjected)
	}
	s.FailNext("ListAllRegistrations", 1, fake.ReplyLost)
	var ids []string
	var last error
	for r, err := range s.ListAllRegistrations(t.Context()) {
		if err == nil {
			ids = append(ids, r.ClientID)
		}
		last = err
	}
	if !slices.Equal(ids, []string{"c"}) || !errors.Is(last, fake.ErrInjected) {
		t.Errorf("list: got %q and then error %v, want c and then %v", ids, last, fake.ErrInjected)
	}
}

func TestStore_counts_calls(t *testing.T) {
	const method = "TouchRegistration"
	s := fake.NewStore(memory.NewStore(nil))
	// fails calls the method n times and reports which of the calls failed.
	fails := func(n int) []bool {
		var failed []bool
		for range n {
			err := s.TouchRegistration(t.Context(), "c", "g", time.Now())
			failed = append(failed, errors.Is(err, fake.ErrInjected))
		}
		return failed
	}
	expect := func(what string, got []bool, want ...bool) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: failed %t, want %t", what, got, want)
		}
	}
	s.FailCall(method, 2, fake.NotApplied)
	s.FailCall("AppClient", 1, fake.NotApplied)
	expect("the second call", fails(3), false, true, false)
	s.FailNext(method, 2, fake.NotApplied)
	expect("the next two calls", fails(3), true, true, false)
	if got := s.Calls(method); got != 6 {
		t.Errorf("calls: got %d, want 6", got)
	}
	s.FailNext(method, 1, fake.NotApplied)
	s.Reset()
	expect("after Reset", fails(1), false)
	if got := s.Calls(method); got != 1 {
		t.Errorf("calls after Reset: got %d, want 1", got)
	}
	defer func() {
		if recover() == nil {
			t.Error("a fault of a method that is not there: got no panic, want one")
		}
	}()
	s.FailCall("Tuch", 1, fake.NotApplied)
}

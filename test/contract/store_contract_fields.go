package contract

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// testEveryField finds a field that a store does not keep, above all one that
// was added to a record after the store was written.
func testEveryField(t *testing.T, open OpenStore) {
	t.Run("of a registration", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		everyField(t, fields[broker.Registration]{
			filler:  newFiller(clock),
			create:  func(r *broker.Registration) error { return s.CreateRegistration(t.Context(), r) },
			replace: func(r *broker.Registration) error { return s.ReplaceRegistration(t.Context(), r) },
			read: func(r *broker.Registration) (*broker.Registration, error) {
				return s.Registration(t.Context(), r.ClientID)
			},
			succeed: func(next, old *broker.Registration) {
				next.ClientID, next.Generation, next.Version, next.LastUsedAt = old.ClientID, old.Generation, old.Version, old.LastUsedAt
			},
			diff: diffRegistration,
		})
	})
	t.Run("of an app client record", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		everyField(t, fields[broker.AppClient]{
			filler: newFiller(clock),
			create: func(a *broker.AppClient) error {
				a.Use.Budget = "" // a use is of a token or of a budget
				return s.CreateAppClient(t.Context(), a)
			},
			replace: func(a *broker.AppClient) error {
				a.Use.Token, a.Use.Budget = "", broker.JWTUse(a.Use.Budget).Budget
				return s.ReplaceAppClient(t.Context(), a)
			},
			read: func(a *broker.AppClient) (*broker.AppClient, error) {
				return s.AppClient(t.Context(), a.Key)
			},
			succeed: func(next, old *broker.AppClient) { next.Key, next.Version = old.Key, old.Version },
			diff:    diff[*broker.AppClient],
		})
	})
	t.Run("of an initial access token", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		everyField(t, fields[credential.InitialAccessToken]{
			filler: newFiller(clock),
			create: func(i *credential.InitialAccessToken) error {
				i.Uses = 0 // the store counts them
				return s.CreateInitialAccessToken(t.Context(), i)
			},
			read: func(i *credential.InitialAccessToken) (*credential.InitialAccessToken, error) {
				return s.InitialAccessToken(t.Context(), i.ID)
			},
			diff: diff[*credential.InitialAccessToken],
		})
	})
}

// fields is what everyField needs to store records of one type.
type fields[T any] struct {
	filler *filler
	create func(*T) error
	// replace is nil if records of the type are not replaced.
	replace func(*T) error
	// read reads the stored record that has the key of its argument.
	read func(*T) (*T, error)
	// succeed sets in next the key, the version and what else must be the same
	// for next to replace old.
	succeed func(next, old *T)
	diff    func(t *testing.T, what string, got, want *T)
}

// everyField stores a record with every field set, replaces it by one with no
// field set and that again by a full one, and expects to read each as it was
// stored.
func everyField[T any](t *testing.T, f fields[T]) {
	t.Helper()
	kept := func(what string, stored *T) {
		t.Helper()
		got, err := f.read(stored)
		check(t, "read "+what, err, nil)
		f.diff(t, what, got, stored)
		before := text(got)
		scribble(reflect.ValueOf(stored).Elem())
		scribble(reflect.ValueOf(got).Elem())
		now, err := f.read(stored)
		check(t, "read "+what, err, nil)
		if after := text(now); after != before {
			t.Errorf("%s, after changes to copies of it:\n got %s\nwant %s", what, after, before)
		}
		*stored = *now
	}
	first := new(T)
	f.filler.fill(t, reflect.TypeFor[T]().Name(), reflect.ValueOf(first).Elem())
	check(t, "create", f.create(first), nil)
	kept("a full one", first)
	if f.replace == nil {
		return
	}
	none := new(T)
	f.succeed(none, first)
	check(t, "replace by an empty one", f.replace(none), nil)
	kept("an empty one", none)
	full := new(T)
	f.filler.fill(t, reflect.TypeFor[T]().Name(), reflect.ValueOf(full).Elem())
	f.succeed(full, none)
	check(t, "replace by a full one", f.replace(full), nil)
	kept("a full one in place of an empty one", full)
}

// A filler sets every field of a record to a different value.
type filler struct {
	clock *fake.Clock
	n     int
}

func newFiller(c *fake.Clock) *filler { return &filler{clock: c} }

// fill sets v and everything in it. It fails the test for a type that it does
// not know, so that no new kind of field is left untested.
func (f *filler) fill(t *testing.T, path string, v reflect.Value) {
	t.Helper()
	f.n++
	switch v.Interface().(type) {
	case time.Time: // later than now, since one of them is the expiry
		v.Set(reflect.ValueOf(f.clock.Second().Add(time.Duration(f.n) * time.Hour)))
		return
	case dcr.ClientMetadata: // its fields depend on each other
		m := fullRegistration(f.clock).Metadata
		m.ClientName = fmt.Sprint("name ", f.n)
		v.Set(reflect.ValueOf(m))
		return
	case json.RawMessage:
		v.Set(reflect.ValueOf(json.RawMessage(fmt.Sprintf(`{"n":%d}`, f.n))))
		return
	case []byte: // sealed values
		v.SetBytes(fmt.Appendf(nil, "%s %d \x00\xff", path, f.n))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Type().Field(i)
			if !field.IsExported() {
				t.Fatalf("%s.%s: not exported, so it cannot be tested here", path, field.Name)
			}
			f.fill(t, path+"."+field.Name, v.Field(i))
		}
	case reflect.String:
		v.SetString(fmt.Sprintf("%s %s \u00e9\U0001f512", path, credential.NewID()))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(f.n))
	case reflect.Array:
		if v.Type() != reflect.TypeFor[credential.Hash]() {
			t.Fatalf("%s: fill does not know the type %s; add it", path, v.Type())
		}
		v.Set(reflect.ValueOf(newKey()))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		f.fill(t, path, v.Index(0))
		f.fill(t, path, v.Index(1))
	default:
		t.Fatalf("%s: fill does not know the type %s; add it", path, v.Type())
	}
}

// text returns all fields of a record, for comparisons.
func text[T any](record *T) string { return fmt.Sprintf("%+v", *record) }

// scribble changes, in place, all memory that v shares with copies of it.
func scribble(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				scribble(v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			v.Index(i).SetZero()
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			v.SetMapIndex(k, reflect.Zero(v.Type().Elem()))
		}
	}
}

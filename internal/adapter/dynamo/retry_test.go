package dynamo_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/adapter/dynamo"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/dynamodbtest"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// A call is applied, its reply is lost, and another request writes before the
// SDK repeats the call. The call must not undo that write, nor report a
// failure.
func TestStore_does_not_repeat_a_write_that_another_write_followed(t *testing.T) {
	e := dynamodbtest.Endpoint(t)
	clock := fake.NewClock()
	table := newTable(t, e)
	other := dynamo.New(newClient(e, transport(send)), table, clock.Now)

	// between returns a store whose first write loses its reply; other requests
	// write before it is repeated.
	between := func(others func()) broker.Store {
		lost := false
		return dynamo.New(newClient(e, transport(func(r *http.Request, body []byte) (*http.Response, error) {
			res, err := send(r, body)
			if lost || err != nil {
				return res, err
			}
			lost = true
			others()
			return nil, errReset
		})), table, clock.Now)
	}
	registration := func() *broker.Registration {
		return &broker.Registration{
			ClientID:   credential.NewID(),
			Generation: credential.NewID(),
			Mode:       broker.ModeDirect,
			State:      broker.RegistrationActive,
			Profile:    "open",
			Metadata:   dcr.ClientMetadata{RedirectURIs: []string{"https://client.example/cb"}},
			IssuedAt:   clock.Second(),
		}
	}
	// replaceAll replaces a registration n times with new names.
	replaceAll := func(id string, n int) {
		t.Helper()
		for i := range n {
			r, err := other.Registration(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			r.Metadata.ClientName = fmt.Sprint("written by others ", i)
			if err := other.ReplaceRegistration(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
	}
	name := func(id string) string {
		t.Helper()
		r, err := other.Registration(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return r.Metadata.ClientName
	}

	for _, n := range []int{1, 7} {
		t.Run(fmt.Sprintf("a creation and %d replacements", n), func(t *testing.T) {
			r := registration()
			s := between(func() { replaceAll(r.ClientID, n) })
			if err := s.CreateRegistration(t.Context(), r); err != nil {
				t.Errorf("create: %v", err)
			}
			if got, want := name(r.ClientID), fmt.Sprint("written by others ", n-1); got != want {
				t.Errorf("name: got %q, want %q", got, want)
			}
			if r.Version != 1 {
				t.Errorf("version: got %d, want 1", r.Version)
			}
		})
		t.Run(fmt.Sprintf("a replacement and %d other replacements", n), func(t *testing.T) {
			r := registration()
			if err := other.CreateRegistration(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			r.Metadata.ClientName = "mine"
			s := between(func() { replaceAll(r.ClientID, n) })
			if err := s.ReplaceRegistration(t.Context(), r); err != nil {
				t.Errorf("replace: %v", err)
			}
			if got, want := name(r.ClientID), fmt.Sprint("written by others ", n-1); got != want {
				t.Errorf("name: got %q, want %q", got, want)
			}
			if r.Version != 2 {
				t.Errorf("version: got %d, want 2", r.Version)
			}
		})
	}

	t.Run("a deletion and a new generation", func(t *testing.T) {
		r := registration()
		if err := other.CreateRegistration(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		next := registration()
		next.ClientID = r.ClientID
		s := between(func() {
			if err := other.CreateRegistration(t.Context(), next); err != nil {
				t.Fatal(err)
			}
		})
		if err := s.DeleteRegistration(t.Context(), r.ClientID, r.Generation); err != nil {
			t.Errorf("delete: %v", err)
		}
		if got, err := other.Registration(t.Context(), r.ClientID); err != nil || got.Generation != next.Generation {
			t.Errorf("read: got %+v and error %v, want generation %s", got, err, next.Generation)
		}
	})

	t.Run("a use of a token and other uses that take the rest", func(t *testing.T) {
		token := &credential.InitialAccessToken{ID: credential.NewID(), Profile: "p", CreatedAt: clock.Second(), MaxUses: 2}
		if err := other.CreateInitialAccessToken(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		s := between(func() {
			if err := other.UseInitialAccessToken(t.Context(), token.ID, "other"); err != nil {
				t.Fatal(err)
			}
		})
		if err := s.UseInitialAccessToken(t.Context(), token.ID, "mine"); err != nil {
			t.Errorf("use: %v", err)
		}
	})

	t.Run("the beginning of a budget and other calls that take the rest", func(t *testing.T) {
		b := broker.Budget{Key: credential.NewID(), Limit: 2}
		tries := 0
		s := dynamo.New(newClient(e, transport(func(r *http.Request, body []byte) (*http.Response, error) {
			res, err := send(r, body)
			if err != nil {
				return res, err
			}
			if tries++; tries > 1 {
				return res, nil
			}
			if err := other.TakeBudget(t.Context(), b, "other"); err != nil {
				t.Fatal(err)
			}
			return nil, errReset
		})), table, clock.Now)
		if err := s.TakeBudget(t.Context(), b, "mine"); err != nil {
			t.Errorf("take: %v", err)
		}
		if tries != 2 {
			t.Errorf("requests to begin the budget: got %d, want 2", tries)
		}
		if err := other.TakeBudget(t.Context(), b, "third"); !errors.Is(err, broker.ErrExhausted) {
			t.Errorf("take by a third call: got error %v, want %v", err, broker.ErrExhausted)
		}
	})
}

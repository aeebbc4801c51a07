package records_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

// maxPlaces is the largest limit of app clients that a policy allows.
const maxPlaces = 10_000

// longest returns the longest member that a budget gets: the key of a dedicated
// app client.
func longest(i int) string {
	return broker.DedicatedAppClientKey(fmt.Sprintf("dcr_%026d", i), fmt.Sprintf("%026d", i))
}

func TestTheLargestLimitsFitAnItem(t *testing.T) {
	now := time.Date(2030, time.March, 1, 12, 0, 0, 0, time.UTC)
	s := memory.NewStore(func() time.Time { return now })
	b := broker.Budget{Key: "app_clients/large", Limit: maxPlaces}
	for i := range maxPlaces {
		if err := s.TakeBudget(t.Context(), b, longest(i)); err != nil {
			t.Fatalf("place %d: %v", i, err)
		}
	}
	if err := s.TakeBudget(t.Context(), b, longest(maxPlaces)); !errors.Is(err, broker.ErrExhausted) {
		t.Errorf("a place too many: got error %v, want %v", err, broker.ErrExhausted)
	}
	if err := s.ReturnBudget(t.Context(), b.Key, longest(7)); err != nil {
		t.Fatal(err)
	}
	if err := s.TakeBudget(t.Context(), b, longest(maxPlaces)); err != nil {
		t.Errorf("a place that was returned: %v", err)
	}

	_, token, err := credential.NewInitialAccessToken(credential.Terms{Profile: "p", MaxUses: credential.MaxUses}, now)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.CreateInitialAccessToken(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	for i := range credential.MaxUses {
		if err := s.UseInitialAccessToken(t.Context(), token.ID, longest(i)); err != nil {
			t.Fatalf("use %d: %v", i, err)
		}
	}
	if err := s.UseInitialAccessToken(t.Context(), token.ID, "another"); !errors.Is(err, broker.ErrExhausted) {
		t.Errorf("a use too many: got error %v, want %v", err, broker.ErrExhausted)
	}
}

// A set that has grown to the size of an item, whatever the limit, takes no more
// members. Waiting does not help.
func TestAFullItemIsAnExhaustedBudget(t *testing.T) {
	now := time.Date(2030, time.March, 1, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	table := memory.NewTable(clock)
	s := records.New(table, clock)
	full := make(records.Set, (records.MaxItem-100)/len(records.Member{}))
	for i := range full {
		binary.BigEndian.PutUint64(full[i][:], uint64(i))
	}
	for _, it := range []records.Item{
		{records.ColumnKey: "budget#b", "schema": int64(1), "members": full},
		{records.ColumnKey: "iat#t", "schema": int64(1), "max_uses": int64(1_000_000), "uses": full},
	} {
		if _, err := table.Write(t.Context(), "put", records.Write{Key: it[records.ColumnKey].(string), Put: it}); err != nil {
			t.Fatal(err)
		}
	}
	take := func(i int) error {
		return s.TakeBudget(t.Context(), broker.Budget{Key: "b", Limit: 1_000_000}, longest(i))
	}
	use := func(i int) error { return s.UseInitialAccessToken(t.Context(), "t", longest(i)) }
	for name, call := range map[string]func(int) error{"take": take, "use": use} {
		var err error
		for i := 0; i < 20 && err == nil; i++ {
			err = call(i)
		}
		if !errors.Is(err, broker.ErrExhausted) {
			t.Errorf("%s: got error %v, want %v", name, err, broker.ErrExhausted)
		}
		if err := call(0); err != nil {
			t.Errorf("%s by a member: got error %v, want none", name, err)
		}
	}
}

package records_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

const configHead = "config#head"

// appendText stores a text as the version with that number.
func appendText(t *testing.T, c *records.Configuration, number int, text, by string) configuration.Version {
	t.Helper()
	v := configuration.Version{Number: number, Schema: 1, Digest: configuration.Digest([]byte(text)), By: by, At: fake.NewClock().Second()}
	if err := c.Append(t.Context(), v, []byte(text)); err != nil {
		t.Fatalf("version %d: %v", number, err)
	}
	return v
}

// What a newer program has written into the head and into a version in it is
// still there after this program has stored a version, and leaves with its
// version.
func TestWhatANewerProgramWroteIntoTheHeadIsKept(t *testing.T) {
	table := memory.NewTable(time.Now)
	c := records.New(table, time.Now).Configuration()
	appendText(t, c, 1, "1", "ops")
	edit(t, table, configHead, func(body map[string]any) {
		body["newer"] = map[string]any{"list": []any{1.5}}
		body["versions"].([]any)[0].(map[string]any)["newer"] = "here too"
	})
	appendText(t, c, 2, "2", "ops")
	if after := stored(t, table, configHead); strings.Count(after, `"newer":{"list":[1.5]}`) != 1 || strings.Count(after, `"newer":"here too"`) != 1 {
		t.Errorf("the head has lost what it did not know: %s", after)
	}
	it, err := table.Get(t.Context(), "read", configHead)
	if err != nil || it["newer_column"] != "x" {
		t.Errorf("the head has lost a column: %v, %v", it, err)
	}
	for n := range configuration.Kept {
		appendText(t, c, n+3, "x", "ops")
	}
	if after := stored(t, table, configHead); strings.Contains(after, "here too") || !strings.Contains(after, `"list":[1.5]`) {
		t.Errorf("after version 1 is gone: %s", after)
	}
}

// A head of another program's making is an error, and never a table without
// documents, over which somebody could store version 1.
func TestAHeadThatCannotBeReadIsAnError(t *testing.T) {
	for name, change := range map[string]records.Item{
		"a newer form":               {"schema": int64(2)},
		"a body that is not JSON":    {"body": "x"},
		"a version that is none":     {"body": `{"versions":["x"]}`},
		"the number is another type": {"version": "1"},
	} {
		t.Run(name, func(t *testing.T) {
			table := memory.NewTable(time.Now)
			c := records.New(table, time.Now).Configuration()
			appendText(t, c, 1, "1", "ops")
			if _, err := table.Write(t.Context(), "edit", records.Write{Key: configHead, Change: &records.Change{Set: change}}); err != nil {
				t.Fatal(err)
			}
			if versions, err := c.Versions(t.Context()); err == nil {
				t.Errorf("Versions = %v, want an error", versions)
			}
			v := configuration.Version{Number: 2, Digest: configuration.Digest(nil)}
			if err := c.Append(t.Context(), v, nil); err == nil || errors.Is(err, configuration.ErrChanged) {
				t.Errorf("Append: got error %v, want that of the head", err)
			}
			if _, err := c.Body(t.Context(), v); !errors.Is(err, broker.ErrNotFound) {
				t.Errorf("Body of a version that was not stored: got error %v, want %v", err, broker.ErrNotFound)
			}
		})
	}
}

// Between an Append's read of the head and its write of it, another one stores
// the same number. The loser removes its own document, unless that is the
// winner's too.
func TestALosingAppendRemovesItsOwnDocumentOnly(t *testing.T) {
	for name, tt := range map[string]struct {
		loser, winner string
		after         int // versions that the winner stores after that one
		cleaning      error
		left          bool // the loser's document stays
	}{
		"another document":                          {loser: "a", winner: "b"},
		"the same document":                         {loser: "a", winner: "a", left: true},
		"the same document, many versions later":    {loser: "a", winner: "a", after: configuration.Kept},
		"another document, which stays for a fault": {loser: "a", winner: "b", cleaning: fake.ErrInjected, left: true},
	} {
		t.Run(name, func(t *testing.T) {
			inner := memory.NewStore(nil)
			appendText(t, inner.Configuration(), 1, "1", "ops")
			v := configuration.Version{Number: 2, Digest: configuration.Digest([]byte(tt.loser))}
			calls := 0
			hooked := inner.Hooked(func(_ context.Context, _ string, do func() error) error {
				switch calls++; calls {
				case 3: // the head, after a read and the document
					appendText(t, inner.Configuration(), 2, tt.winner, "winner")
					for n := range tt.after {
						appendText(t, inner.Configuration(), 3+n, fmt.Sprint("later ", n), "winner")
					}
				case 5: // the removal, after the head and a read
					if tt.cleaning != nil {
						return tt.cleaning
					}
				}
				return do()
			})
			if err := hooked.Configuration().Append(t.Context(), v, []byte(tt.loser)); !errors.Is(err, configuration.ErrChanged) {
				t.Fatalf("Append: got error %v, want %v", err, configuration.ErrChanged)
			}
			if _, err := inner.Configuration().Body(t.Context(), v); (err == nil) != tt.left || err != nil && !errors.Is(err, broker.ErrNotFound) {
				t.Errorf("the loser's document: got error %v, want it to be left: %t", err, tt.left)
			}
			versions, err := inner.Configuration().Versions(t.Context())
			if err != nil || versions[0].By != "winner" {
				t.Fatalf("Versions = %v, %v", versions, err)
			}
			for _, v := range versions {
				if _, err := inner.Configuration().Body(t.Context(), v); err != nil {
					t.Errorf("version %d: %v", v.Number, err)
				}
			}
		})
	}
}

// Documents that cannot be removed do not make the head grow without end.
func TestTheHeadStaysSmallIfRemovalsFail(t *testing.T) {
	failing := true
	table := &refusing{Table: memory.NewTable(time.Now), failing: &failing}
	c := records.New(table, time.Now).Configuration()
	n := 0
	next := func() { n++; appendText(t, c, n, fmt.Sprint(n), "ops") }
	for range 3 * configuration.Kept {
		next()
	}
	var head struct{ Dropped []string }
	if err := json.Unmarshal([]byte(stored(t, table, configHead)), &head); err != nil || len(head.Dropped) != 20 {
		t.Errorf("%d documents are to be removed, %v, want 20", len(head.Dropped), err)
	}
	failing = false
	next()
	next()
	if err := json.Unmarshal([]byte(stored(t, table, configHead)), &head); err != nil || len(head.Dropped) != 1 {
		t.Errorf("%d documents are to be removed, %v, want 1", len(head.Dropped), err)
	}
	for id := 1; id <= n-configuration.Kept; id++ {
		_, err := c.Body(t.Context(), configuration.Version{Number: id, Digest: configuration.Digest(fmt.Append(nil, id))})
		// The first 20 were forgotten.
		if gone := errors.Is(err, broker.ErrNotFound); gone != (id > configuration.Kept) {
			t.Errorf("version %d: got error %v", id, err)
		}
	}
}

// refusing is a table that removes nothing while failing is true.
type refusing struct {
	records.Table
	failing *bool
}

func (r *refusing) Write(ctx context.Context, op string, w records.Write) (records.Outcome, error) {
	if *r.failing && w.Put == nil && w.Change == nil {
		return records.Outcome{}, fake.ErrInjected
	}
	return r.Table.Write(ctx, op, w)
}

package records_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
)

var (
	small = strings.Repeat("s", 2<<10)
	large = strings.Repeat("l", 8<<10)
)

// counting is a table that counts reads.
type counting struct {
	records.Table
	reads int
}

func (c *counting) Get(ctx context.Context, op, key string) (records.Item, error) {
	c.reads++
	return c.Table.Get(ctx, op, key)
}

// The head has a copy of a small document, so a process that starts reads one
// item. The copy is used only for the newest version, and only if it is its
// document.
func TestTheHeadHasACopyOfASmallDocument(t *testing.T) {
	lose := func(v configuration.Version) records.Write { return records.Write{Key: itemOf(v)} }
	spoil := func(configuration.Version) records.Write {
		return records.Write{Key: configHead, Change: &records.Change{Set: records.Item{"document": []byte("another")}}}
	}
	strip := func(configuration.Version) records.Write {
		return records.Write{Key: configHead, Change: &records.Change{Remove: []string{"document"}}}
	}
	for _, tt := range []struct {
		name   string
		text   string
		change []func(configuration.Version) records.Write
		reads  int
		want   error
	}{
		{"small", small, nil, 1, nil},
		{"large", large, nil, 2, nil},
		{"small, its item is gone", small, []func(configuration.Version) records.Write{lose}, 1, nil},
		{"large, its item is gone", large, []func(configuration.Version) records.Write{lose}, 2, broker.ErrNotFound},
		{"small, its copy is another document", small, []func(configuration.Version) records.Write{spoil}, 2, nil},
		{"small, its copy is gone", small, []func(configuration.Version) records.Write{strip}, 2, nil},
		{"small, its copy and its item are gone", small, []func(configuration.Version) records.Write{strip, lose}, 2, broker.ErrNotFound},
		{"empty", "", nil, 2, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			table := &counting{Table: memory.NewTable(time.Now)}
			appendText(t, records.New(table, time.Now).Configuration(), 1, "before", "ops")
			v := appendText(t, records.New(table, time.Now).Configuration(), 2, tt.text, "ops")
			for _, change := range tt.change {
				if _, err := table.Write(t.Context(), "test", change(v)); err != nil {
					t.Fatal(err)
				}
			}
			r := records.NewConfigurationReader(table)
			table.reads = 0
			if versions, err := r.Versions(t.Context()); err != nil || versions[0] != v {
				t.Fatalf("Versions = %v, %v, want %v first", versions, err, v)
			}
			body, err := r.Body(t.Context(), v)
			if !errors.Is(err, tt.want) || err == nil && string(body) != tt.text {
				t.Errorf("Body = %d bytes, %v, want %d bytes and %v", len(body), err, len(tt.text), tt.want)
			}
			if table.reads != tt.reads {
				t.Errorf("%d reads, want %d", table.reads, tt.reads)
			}
			// The items of the documents are what history and rollback read.
			older := configuration.Version{Number: 1, Digest: configuration.Digest([]byte("before"))}
			if body, err := r.Body(t.Context(), older); err != nil || string(body) != "before" {
				t.Errorf("Body of version 1 = %q, %v", body, err)
			}
			if body, err := records.NewConfigurationReader(table).Body(t.Context(), v); tt.change == nil && (err != nil || string(body) != tt.text) {
				t.Errorf("Body of a reader that read no list = %d bytes, %v, want those of the item", len(body), err)
			}
		})
	}
}

// The copy belongs to the list with which it came: a large document removes it,
// and so does a list without versions.
func TestTheCopyOfAFormerVersionIsNotUsed(t *testing.T) {
	table := &counting{Table: memory.NewTable(time.Now)}
	c, r := records.New(table, time.Now).Configuration(), records.NewConfigurationReader(table)
	read := func(v configuration.Version) int {
		t.Helper()
		table.reads = 0
		if body, err := r.Body(t.Context(), v); err != nil || configuration.Digest(body) != v.Digest {
			t.Errorf("Body of version %d = %.10q, %v", v.Number, body, err)
		}
		return table.reads
	}
	list := func() {
		t.Helper()
		if _, err := r.Versions(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	first := appendText(t, c, 1, small, "ops")
	list()
	if body, err := r.Body(t.Context(), configuration.Version{Number: 7, Digest: first.Digest}); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("Body of a version that is not stored = %d bytes, %v, want %v", len(body), err, broker.ErrNotFound)
	}
	second := appendText(t, c, 2, "second", "ops")
	if a, b := read(first), read(second); a != 0 || b != 1 {
		t.Errorf("%d and %d reads after the list of version 1, want 0 and 1", a, b)
	}
	list()
	if a, b := read(first), read(second); a != 1 || b != 0 {
		t.Errorf("%d and %d reads after the list of version 2, want 1 and 0", a, b)
	}
	third := appendText(t, c, 3, large, "ops")
	list()
	if a, b := read(second), read(third); a != 1 || b != 1 {
		t.Errorf("%d and %d reads after the list of version 3, want 1 and 1", a, b)
	}
	if it, err := table.Get(t.Context(), "read", configHead); err != nil || it["document"] != nil {
		t.Errorf("the head has a copy of %v, %v, want none", it["document"], err)
	}
	fourth := appendText(t, c, 4, small, "ops")
	list()
	for _, key := range []string{configHead, itemOf(fourth)} {
		if _, err := table.Write(t.Context(), "test", records.Write{Key: key}); err != nil {
			t.Fatal(err)
		}
	}
	list()
	if body, err := r.Body(t.Context(), fourth); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("Body after the head is gone = %d bytes, %v, want %v", len(body), err, broker.ErrNotFound)
	}
}

// What a caller does with a document does not change the next one's.
func TestTheCopyIsNotShared(t *testing.T) {
	table := memory.NewTable(time.Now)
	v := appendText(t, records.New(table, time.Now).Configuration(), 1, small, "ops")
	r := records.NewConfigurationReader(table)
	if _, err := r.Versions(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		body, err := r.Body(t.Context(), v)
		if err != nil || !bytes.Equal(body, []byte(small)) {
			t.Fatalf("Body = %.10q, %v", body, err)
		}
		clear(body)
	}
}

// Each process reads the head every minute, which costs a read unit for each 4
// KB. It costs at most two units, with the copy of a document if there is room
// for it.
func TestReadUnitsOfAHead(t *testing.T) {
	for by, want := range map[string]struct{ alone, units, copied int }{
		"jane.doe": {1, 2, 4 << 10},
		"arn:aws:iam::123456789012:user/jane.doe": {1, 2, 4 << 10},
		// The longest name of a session is 64 characters.
		"arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_AdministratorAccess_0123456789abcdef/" + strings.Repeat("j", 64): {2, 2, 1 << 10},
	} {
		head := func(text string) (units int, hasCopy bool) {
			t.Helper()
			table := memory.NewTable(time.Now)
			c := records.New(table, time.Now).Configuration()
			for n := range configuration.Kept + 10 {
				appendText(t, c, n+1, fmt.Sprint(text, n), by)
			}
			it, err := table.Get(t.Context(), "read", configHead)
			if err != nil {
				t.Fatal(err)
			}
			return (it.Size() + 4095) / 4096, it["document"] != nil
		}
		if units, hasCopy := head(large); units != want.alone || hasCopy {
			t.Errorf("by %s: a head with a large document costs %d read units, copy: %t, want %d without a copy", by, units, hasCopy, want.alone)
		}
		if units, hasCopy := head(strings.Repeat("x", want.copied-10)); units != want.units || !hasCopy {
			t.Errorf("by %s: a head with a document of %d bytes costs %d read units, copy: %t, want %d with a copy", by, want.copied, units, hasCopy, want.units)
		}
		for size := 0; size < 8<<10; size += 500 {
			if units, _ := head(strings.Repeat("x", size)); units > 2 {
				t.Errorf("by %s: a head with a document of %d bytes costs %d read units, want 2 at most", by, size, units)
			}
		}
	}
}

func itemOf(v configuration.Version) string { return fmt.Sprintf("config#%d#%s", v.Number, v.Digest) }

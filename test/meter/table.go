package meter

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// table is what the meter has to know of a table: its key and its indexes.
type table struct {
	partition string   // the name of the partition key
	key       []string // the names of the key's attributes
	indexes   []*index
}

// index is a global secondary index.
type index struct {
	name string
	key  []string // the names of the key's attributes
	// projected has the names of the attributes in the index; nil for all.
	projected []string
}

// pick returns the named attributes of an item; nil if one is missing.
func (i Item) pick(names []string) Item {
	out := make(Item, len(names))
	for _, name := range names {
		v, ok := i[name]
		if !ok {
			return nil
		}
		out[name] = v
	}
	return out
}

func (t *table) keyOf(i Item) Item { return i.pick(t.key) }
func (x *index) keyOf(i Item) Item { return i.pick(x.key) }

// entry returns the part of an item that is in the index; nil if the item is not
// in it, because it lacks an attribute of the index's key.
func (x *index) entry(i Item) Item {
	switch {
	case x.keyOf(i) == nil:
		return nil
	case x.projected == nil:
		return i
	}
	out := make(Item)
	for _, name := range x.projected {
		if v, ok := i[name]; ok {
			out[name] = v
		}
	}
	return out
}

// kind returns the part of the partition key before the first "#".
func (t *table) kind(i Item) string {
	kind, _, _ := strings.Cut(i[t.partition].text(), "#")
	return kind
}

// index returns the index of this name.
func (t *table) index(name string) (*index, error) {
	for _, x := range t.indexes {
		if x.name == name {
			return x, nil
		}
	}
	return nil, fmt.Errorf("no index %q", name)
}

// table returns the description of a table, which it reads once. The error is a
// *refusal if DynamoDB refuses to describe it.
func (x *exchange) table(name string) (*table, error) {
	if t := x.proxy.tables[name]; t != nil {
		return t, nil
	}
	type schema []struct{ AttributeName, KeyType string }
	var out struct {
		Table struct {
			KeySchema              schema
			LocalSecondaryIndexes  []json.RawMessage
			GlobalSecondaryIndexes []struct {
				IndexName  string
				KeySchema  schema
				Projection struct {
					ProjectionType   string
					NonKeyAttributes []string
				}
			}
		}
	}
	a, err := x.call("DescribeTable", map[string]string{"TableName": name})
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusOK {
		return nil, &refusal{a}
	}
	if err := json.Unmarshal(a.body, &out); err != nil {
		return nil, fmt.Errorf("DescribeTable: %w", err)
	}
	if len(out.Table.LocalSecondaryIndexes) > 0 {
		return nil, fmt.Errorf("table %s has local secondary indexes, which are not metered", name)
	}
	names := func(s schema) []string {
		var names []string
		for _, k := range s {
			names = append(names, k.AttributeName)
		}
		return names
	}
	t := &table{key: names(out.Table.KeySchema)}
	for _, k := range out.Table.KeySchema {
		if k.KeyType == "HASH" {
			t.partition = k.AttributeName
		}
	}
	for _, g := range out.Table.GlobalSecondaryIndexes {
		i := &index{name: g.IndexName, key: names(g.KeySchema)}
		switch g.Projection.ProjectionType {
		case "ALL":
		case "INCLUDE", "KEYS_ONLY":
			i.projected = slices.Concat(i.key, t.key, g.Projection.NonKeyAttributes)
		default:
			return nil, fmt.Errorf("index %s has the projection %q", g.IndexName, g.Projection.ProjectionType)
		}
		t.indexes = append(t.indexes, i)
	}
	x.proxy.tables[name] = t
	return t, nil
}

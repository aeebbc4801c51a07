package meter

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// meter passes on the request, and logs what it costs.
func (x *exchange) meter() (*answer, error) {
	switch x.log.Operation {
	case "GetItem":
		return x.getItem()
	case "BatchGetItem":
		return x.batchGetItem()
	case "Query", "Scan":
		return x.search()
	case "PutItem", "UpdateItem", "DeleteItem":
		return x.write()
	case "BatchWriteItem", "TransactGetItems", "TransactWriteItems", "ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction":
		return nil, fmt.Errorf("%s is not metered", x.log.Operation)
	}
	// Operations on tables cost no units. They may change what is known of one.
	if !strings.HasPrefix(x.log.Operation, "Describe") {
		clear(x.proxy.tables)
	}
	return x.forward()
}

// stored is an item of a table: as it was read, and decoded. Both are nil if
// there is none.
type stored struct {
	raw json.RawMessage
	Item
}

// read returns the item with the key.
func (x *exchange) read(table string, key Item) (stored, error) {
	a, err := x.call("GetItem", map[string]any{"TableName": table, "Key": rawKey(key), "ConsistentRead": true})
	if err != nil {
		return stored{}, err
	}
	if a.status != http.StatusOK {
		return stored{}, &refusal{a}
	}
	var out struct{ Item json.RawMessage }
	if err := json.Unmarshal(a.body, &out); err != nil {
		return stored{}, err
	}
	s := stored{raw: out.Item}
	if out.Item != nil {
		err = json.Unmarshal(out.Item, &s.Item)
	}
	return s, err
}

// rawKey returns a key for a request. Attributes of a key are strings, numbers or
// binary.
func rawKey(key Item) map[string]any {
	out := make(map[string]any)
	for name, v := range key {
		switch {
		case v.S != nil:
			out[name] = map[string]any{"S": v.S}
		case v.N != nil:
			out[name] = map[string]any{"N": v.N}
		default:
			out[name] = map[string]any{"B": v.B}
		}
	}
	return out
}

func (x *exchange) getItem() (*answer, error) {
	var in struct {
		TableName      string
		Key            Item
		ConsistentRead bool
	}
	t, err := x.decode(&in, &in.TableName)
	if err != nil {
		return nil, err
	}
	// The answer may have a part of the item, but all of it is charged.
	item, err := x.read(in.TableName, in.Key)
	if err != nil {
		return nil, err
	}
	a, err := x.forward()
	if err == nil && a.status == http.StatusOK {
		x.log.Kind, x.log.Read = t.kind(in.Key), readUnits(item.Size(), in.ConsistentRead)
	}
	return a, err
}

// decode decodes the request into in and returns the table that it names.
func (x *exchange) decode(in any, name *string) (*table, error) {
	if err := json.Unmarshal(x.body, in); err != nil {
		return nil, fmt.Errorf("%s: %w", x.log.Operation, err)
	}
	return x.table(*name)
}

// batchGetItem charges for each item as GetItem does.
func (x *exchange) batchGetItem() (*answer, error) {
	var in struct {
		RequestItems map[string]struct {
			Keys           []Item
			ConsistentRead bool
		}
	}
	if err := json.Unmarshal(x.body, &in); err != nil {
		return nil, fmt.Errorf("BatchGetItem: %w", err)
	}
	units, kinds := 0.0, make(map[string]bool)
	for name, of := range in.RequestItems {
		t, err := x.table(name)
		if err != nil {
			return nil, err
		}
		for _, key := range of.Keys {
			item, err := x.read(name, key)
			if err != nil {
				return nil, err
			}
			units += readUnits(item.Size(), of.ConsistentRead)
			kinds[t.kind(key)] = true
		}
	}
	a, err := x.forward()
	if err == nil && a.status == http.StatusOK {
		x.log.Kind, x.log.Read = list(kinds), units
	}
	return a, err
}

func list(kinds map[string]bool) string {
	return strings.Join(slices.Sorted(maps.Keys(kinds)), ",")
}

// placeholder matches the names and values that stand for others in an
// expression.
var placeholder = regexp.MustCompile(`[#:]\w+`)

// search meters Query and Scan. They charge for what they read before the
// filter, and for whole items or entries of an index.
func (x *exchange) search() (*answer, error) {
	var in struct {
		TableName, IndexName string
		ConsistentRead       bool
	}
	t, err := x.decode(&in, &in.TableName)
	if err != nil {
		return nil, err
	}
	a, err := x.forward()
	if err != nil || a.status != http.StatusOK {
		return a, err
	}
	var out struct{ ScannedCount int }
	if err := json.Unmarshal(a.body, &out); err != nil {
		return nil, err
	}
	read, err := x.unfiltered()
	if err != nil {
		return nil, err
	}
	if len(read) != out.ScannedCount {
		return nil, fmt.Errorf("%s read %d items, and %d without its filter", x.log.Operation, out.ScannedCount, len(read))
	}
	size, kinds := 0, make(map[string]bool)
	for _, item := range read {
		kinds[t.kind(item)] = true
		if in.IndexName == "" {
			size += item.Size()
			continue
		}
		index, err := t.index(in.IndexName)
		if err != nil {
			return nil, err
		}
		size += index.entry(item).Size()
	}
	if x.log.Index = in.IndexName; x.log.Operation == "Query" {
		x.log.Kind = list(kinds)
	}
	x.log.Read = readUnits(size, in.ConsistentRead)
	return a, nil
}

// unfiltered returns the items that the request reads: the result of the same
// request without filter and projection.
func (x *exchange) unfiltered() ([]Item, error) {
	var in map[string]json.RawMessage
	if err := json.Unmarshal(x.body, &in); err != nil {
		return nil, err
	}
	for _, name := range []string{"FilterExpression", "ProjectionExpression", "Select", "AttributesToGet", "QueryFilter", "ScanFilter"} {
		delete(in, name)
	}
	// DynamoDB refuses a request with placeholders that it does not use.
	used := placeholder.FindAllString(string(in["KeyConditionExpression"]), -1)
	for _, name := range []string{"ExpressionAttributeNames", "ExpressionAttributeValues"} {
		if in[name] == nil {
			continue
		}
		var all map[string]json.RawMessage
		if err := json.Unmarshal(in[name], &all); err != nil {
			return nil, err
		}
		maps.DeleteFunc(all, func(p string, _ json.RawMessage) bool { return !slices.Contains(used, p) })
		delete(in, name)
		if len(all) > 0 {
			in[name], _ = json.Marshal(all)
		}
	}
	a, err := x.call(x.log.Operation, in)
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusOK {
		return nil, fmt.Errorf("%s without its filter: %s", x.log.Operation, a.body)
	}
	var out struct{ Items []Item }
	err = json.Unmarshal(a.body, &out)
	return out.Items, err
}

package meter

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// write meters a write of one item.
func (x *exchange) write() (*answer, error) {
	var in struct {
		TableName string
		Key       Item
		Item      Item // PutItem has no Key
	}
	t, err := x.decode(&in, &in.TableName)
	if err != nil {
		return nil, err
	}
	key := in.Key
	if x.log.Operation == "PutItem" {
		if key = t.keyOf(in.Item); key == nil {
			return x.forward() // refused: without a whole key
		}
		if in.Item.Size() > maxItem {
			return validation("Item size has exceeded the maximum allowed size"), nil
		}
	}
	x.log.Kind = t.kind(key)
	before, err := x.read(in.TableName, key)
	if err != nil {
		return nil, err
	}
	a, err := x.forward()
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusOK {
		if a.errorType() == "ConditionalCheckFailedException" {
			// A refused write costs as much as the larger of the stored item and
			// the new one
			// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/WorkingWithItems.html#WorkingWithItems.ConditionalUpdate).
			// Only PutItem has the new one.
			x.log.Write = writeUnits(before.Item, in.Item)
			return a, nil
		}
		// Moto leaves a part of an update that it refuses, DynamoDB does not.
		return a, x.restore(in.TableName, key, before)
	}
	after, err := x.read(in.TableName, key)
	if err != nil {
		return nil, err
	}
	if after.Size() > maxItem {
		// AWS does not say what this refusal costs. Nothing is counted.
		return validation("Item size to update has exceeded the maximum allowed size"), x.restore(in.TableName, key, before)
	}
	x.log.Write = writeUnits(before.Item, after.Item)
	for _, i := range t.indexes {
		if units := i.indexUnits(before.Item, after.Item); units > 0 {
			if x.log.IndexWrite == nil {
				x.log.IndexWrite = make(map[string]int)
			}
			x.log.IndexWrite[i.name] = units
		}
	}
	return a, nil
}

// restore makes the item what it was before.
func (x *exchange) restore(table string, key Item, before stored) error {
	if before.Item == nil {
		return x.must("DeleteItem", map[string]any{"TableName": table, "Key": rawKey(key)})
	}
	var attributes map[string]map[string]json.RawMessage // by name and type
	if err := json.Unmarshal(before.raw, &attributes); err != nil {
		return err
	}
	// Moto refuses to put a large item, but lets its sets grow.
	sets := make(map[string]map[string]json.RawMessage)
	for name, v := range attributes {
		if v["SS"] != nil || v["NS"] != nil || v["BS"] != nil {
			sets[name] = v
			delete(attributes, name)
		}
	}
	if err := x.must("PutItem", map[string]any{"TableName": table, "Item": attributes}); err != nil {
		return err
	}
	for name, v := range sets {
		for kind, members := range v {
			var all []json.RawMessage
			if err := json.Unmarshal(members, &all); err != nil {
				return err
			}
			for _, some := range [][]json.RawMessage{all[:1], all} {
				if err := x.must("UpdateItem", map[string]any{
					"TableName": table, "Key": rawKey(key), "UpdateExpression": "ADD #set :members",
					"ExpressionAttributeNames":  map[string]string{"#set": name},
					"ExpressionAttributeValues": map[string]any{":members": map[string]any{kind: some}},
				}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// must makes a write that has to succeed.
func (x *exchange) must(operation string, in any) error {
	a, err := x.call(operation, in)
	if err == nil && a.status != http.StatusOK {
		return fmt.Errorf("restore an item: %s: %s", operation, a.body)
	}
	return err
}

package signed

import (
	"context"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
)

// Items reads items of a DynamoDB table by key, for a function that reads
// nothing else there: it links no client of DynamoDB. It is safe for concurrent
// use.
type Items struct {
	dynamodb Service
	table    string
}

var _ records.Getter = (*Items)(nil)

// NewItems returns the items of the table with this name, in the region of sdk
// or at the endpoint of sdk if it has one. It opens no connection.
func NewItems(sdk aws.Config, table string) *Items {
	return &Items{New("dynamodb", sdk), table}
}

// attribute is an attribute value of DynamoDB. Only one field is set, and none
// if it has a type that no column has.
type attribute struct {
	S, N *string
	B    []byte
	BS   [][]byte
}

// Get implements records.Getter. The read is consistent.
func (i *Items) Get(ctx context.Context, op, key string) (records.Item, error) {
	type keys map[string]map[string]string
	in := struct {
		TableName      string
		Key            keys
		ConsistentRead bool
	}{i.table, keys{records.ColumnKey: {"S": key}}, true}
	var out struct{ Item map[string]attribute }
	if err := i.dynamodb.Call(ctx, "DynamoDB_20120810.GetItem", in, &out); err != nil {
		return nil, fmt.Errorf("dynamodb: %s: %w", op, err)
	}
	if out.Item == nil {
		return nil, nil
	}
	it := make(records.Item, len(out.Item))
	for name, a := range out.Item {
		v, err := a.value()
		if err != nil {
			return nil, fmt.Errorf("dynamodb: %s: item %q: column %s: %w", op, key, name, err)
		}
		if v != nil {
			it[name] = v
		}
	}
	return it, nil
}

// value returns the value of a column, or nil for a type that no column has:
// another program wrote it.
func (a attribute) value() (any, error) {
	switch {
	case a.S != nil:
		return *a.S, nil
	case a.N != nil:
		return strconv.ParseInt(*a.N, 10, 64)
	case a.B != nil:
		return a.B, nil
	case a.BS != nil:
		set := make(records.Set, len(a.BS))
		for i, m := range a.BS {
			if len(m) != len(set[i]) {
				return nil, fmt.Errorf("a member has %d bytes", len(m))
			}
			set[i] = records.Member(m)
		}
		return set, nil
	}
	return nil, nil
}

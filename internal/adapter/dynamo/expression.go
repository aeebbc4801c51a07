package dynamo

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
)

type attributes = map[string]types.AttributeValue

func keyOf(key string) attributes {
	return attributes{records.ColumnKey: &types.AttributeValueMemberS{Value: key}}
}

// attribute returns the attribute value of a column. A string that is not UTF-8
// becomes a binary value, because the SDK would change it.
func attribute(v any) types.AttributeValue {
	switch v := v.(type) {
	case string:
		if utf8.ValidString(v) {
			return &types.AttributeValueMemberS{Value: v}
		}
		return &types.AttributeValueMemberB{Value: []byte(v)}
	case int64:
		return &types.AttributeValueMemberN{Value: strconv.FormatInt(v, 10)}
	case []byte:
		return &types.AttributeValueMemberB{Value: v}
	case records.Member:
		return &types.AttributeValueMemberB{Value: v[:]}
	case records.Set:
		members := make([][]byte, len(v))
		for i := range v {
			members[i] = v[i][:]
		}
		return &types.AttributeValueMemberBS{Value: members}
	}
	panic(fmt.Sprintf("dynamo: no attribute for %T", v)) // records has no other type
}

func fromItem(it records.Item) attributes {
	all := make(attributes, len(it))
	for column, v := range it {
		all[column] = attribute(v)
	}
	return all
}

// toItem returns the item of attributes, nil for none. It leaves out attributes
// of types that no column has: another program wrote them.
func toItem(all attributes) (records.Item, error) {
	if all == nil {
		return nil, nil
	}
	it := make(records.Item, len(all))
	for name, v := range all {
		switch v := v.(type) {
		case *types.AttributeValueMemberS:
			it[name] = v.Value
		case *types.AttributeValueMemberB:
			it[name] = v.Value
		case *types.AttributeValueMemberN:
			n, err := strconv.ParseInt(v.Value, 10, 64)
			if err != nil {
				key, _ := all[records.ColumnKey].(*types.AttributeValueMemberS)
				return nil, fmt.Errorf("dynamodb: item %q: column %s: %w", key.Value, name, err)
			}
			it[name] = n
		case *types.AttributeValueMemberBS:
			members := make(records.Set, len(v.Value))
			for i, m := range v.Value {
				if copy(members[i][:], m) != len(m) || len(m) != len(members[i]) {
					return nil, fmt.Errorf("dynamodb: item %v: column %s: a member has %d bytes", it[records.ColumnKey], name, len(m))
				}
			}
			it[name] = members
		}
	}
	return it, nil
}

// An expression collects the names and values of a request's expressions. A
// name is # and the column, because many are reserved words.
type expression struct {
	names  map[string]string
	values attributes
	// now is the time of the write, in Unix seconds.
	now int64
}

func (e *expression) name(column string) string {
	if e.names == nil {
		e.names = make(map[string]string)
	}
	e.names["#"+column] = column
	return "#" + column
}

func (e *expression) value(v any) string {
	if e.values == nil {
		e.values = make(attributes)
	}
	name := ":v" + strconv.Itoa(len(e.values))
	e.values[name] = attribute(v)
	return name
}

// text returns the text of a condition that is not always met.
func (e *expression) text(c records.Condition) string {
	compare := func(operator string) string { return e.name(c.Column) + " " + operator + " " + e.value(c.Value) }
	switch c.Operator {
	case records.Has:
		return "attribute_exists(" + e.name(c.Column) + ")"
	case records.Lacks:
		return "attribute_not_exists(" + e.name(c.Column) + ")"
	case records.Equal:
		return compare("=")
	case records.Less:
		return compare("<")
	case records.Expired:
		c.Value = e.now
		return compare("<=")
	case records.Live:
		c.Value = e.now
		return "(attribute_not_exists(" + e.name(c.Column) + ") OR " + compare(">") + ")"
	case records.Contains:
		return "contains(" + e.name(c.Column) + ", " + e.value(c.Value) + ")"
	case records.Fewer:
		if column, ok := c.Value.(string); ok {
			return "size(" + e.name(c.Column) + ") < " + e.name(column)
		}
		return "size(" + e.name(c.Column) + ") < " + e.value(c.Value)
	case records.All:
		return e.join(c.Parts, " AND ")
	case records.Any:
		return e.join(c.Parts, " OR ")
	}
	panic(fmt.Sprintf("dynamo: no text for the operator %d", c.Operator)) // those are all
}

func (e *expression) join(parts []records.Condition, with string) string {
	texts := make([]string, len(parts))
	for i, p := range parts {
		texts[i] = e.text(p)
	}
	if len(texts) == 1 {
		return texts[0] // DynamoDB refuses redundant parentheses
	}
	return "(" + strings.Join(texts, with) + ")"
}

// update returns the update expression of a change.
func (e *expression) update(c *records.Change) string {
	var set, remove, add, leave []string
	for _, column := range slices.Sorted(maps.Keys(c.Default)) {
		set = append(set, fmt.Sprintf("%s = if_not_exists(%[1]s, %s)", e.name(column), e.value(c.Default[column])))
	}
	for _, column := range slices.Sorted(maps.Keys(c.Set)) {
		set = append(set, e.name(column)+" = "+e.value(c.Set[column]))
	}
	for _, column := range c.Remove {
		remove = append(remove, e.name(column))
	}
	for _, column := range c.Increment {
		add = append(add, e.name(column)+" "+e.value(int64(1)))
	}
	for column, m := range c.Join {
		add = append(add, e.name(column)+" "+e.value(records.Set{m}))
	}
	for column, m := range c.Leave {
		leave = append(leave, e.name(column)+" "+e.value(records.Set{m}))
	}
	var clauses []string
	for _, clause := range []struct {
		word  string
		parts []string
	}{{"SET", set}, {"REMOVE", remove}, {"ADD", add}, {"DELETE", leave}} {
		if len(clause.parts) > 0 {
			clauses = append(clauses, clause.word+" "+strings.Join(clause.parts, ", "))
		}
	}
	return strings.Join(clauses, " ")
}

package meter

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Item is an item of a table in DynamoDB's JSON: attribute values by name.
type Item map[string]Value

// Value is an attribute value in DynamoDB's JSON. One of its fields is set.
type Value struct {
	S    *string
	N    *string
	B    []byte // the decoder undoes base64
	BOOL *bool
	NULL *bool
	SS   []string
	NS   []string
	BS   [][]byte
	L    []Value
	M    Item
}

// Size returns the size of an item in bytes, as DynamoDB counts it for capacity
// units: names and values of all attributes
// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html).
// The 100 bytes for each item on that page count for storage only. The size of
// a nil item is 0.
func (i Item) Size() int {
	size := 0
	for name, v := range i {
		size += len(name) + v.size()
	}
	return size
}

// size returns the size of the value without a name. The page does not say what
// a set costs beside its members; this counts nothing.
func (v Value) size() int {
	switch {
	case v.S != nil:
		return len(*v.S)
	case v.N != nil:
		return numberSize(*v.N)
	case v.BOOL != nil, v.NULL != nil:
		return 1
	case v.L != nil:
		size := 3
		for _, e := range v.L {
			size += 1 + e.size()
		}
		return size
	case v.M != nil:
		return 3 + len(v.M) + v.M.Size() // one byte for each element
	}
	size := len(v.B)
	for _, s := range v.SS {
		size += len(s)
	}
	for _, n := range v.NS {
		size += numberSize(n)
	}
	for _, b := range v.BS {
		size += len(b)
	}
	return size
}

// numberSize returns a byte and one more for every two significant digits. That
// page says "approximately", and nothing about a sign.
func numberSize(n string) int {
	mantissa, _, _ := strings.Cut(strings.ToLower(n), "e")
	digits := strings.Trim(strings.NewReplacer("-", "", "+", "", ".", "").Replace(mantissa), "0")
	return 1 + (len(digits)+1)/2
}

// equal reports whether both items have the same attributes. The order in a set
// does not count.
func (i Item) equal(other Item) bool { return reflect.DeepEqual(i.sorted(), other.sorted()) }

// sorted returns a copy with the members of each set in order. Sets inside of
// lists and maps stay as they are.
func (i Item) sorted() Item {
	out := make(Item, len(i))
	for name, v := range i {
		v.SS, v.NS, v.BS = slices.Sorted(slices.Values(v.SS)), slices.Sorted(slices.Values(v.NS)), slices.Clone(v.BS)
		slices.SortFunc(v.BS, slices.Compare)
		out[name] = v
	}
	return out
}

// text returns a key attribute as text.
func (v Value) text() string {
	switch {
	case v.S != nil:
		return *v.S
	case v.N != nil:
		return *v.N
	}
	return fmt.Sprintf("%x", v.B)
}

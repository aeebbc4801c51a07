package meter

import (
	"encoding/json"
	"strings"
	"testing"
)

func item(t *testing.T, text string) Item {
	t.Helper()
	var i Item
	if err := json.Unmarshal([]byte(text), &i); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return i
}

func TestSize(t *testing.T) {
	for _, tt := range []struct {
		item string
		want int
		why  string
	}{
		{`{}`, 0, ""},
		{`{"pk":{"S":"grant#1"}}`, 9, "2 + 7"},
		{`{"pk":{"S":""}}`, 2, "an empty string has its name only"},
		{`{"größe":{"S":"é€😀"}}`, 16, "UTF-8: 7 + 2 + 3 + 4"},
		{`{"n":{"N":"0"}}`, 2, "1 + 1: no significant digit"},
		{`{"n":{"N":"7"}}`, 3, "1 + 1 + 1"},
		{`{"n":{"N":"-12"}}`, 3, "1 + 1 + 1: two digits, and the sign is not counted"},
		{`{"n":{"N":"123"}}`, 4, "1 + 1 + 2"},
		{`{"n":{"N":"1893456789"}}`, 7, "1 + 1 + 5: a time"},
		{`{"n":{"N":"1893456000"}}`, 6, "1 + 1 + 4: trailing zeros are trimmed, 7 digits are left"},
		{`{"n":{"N":"00120"}}`, 3, "1 + 1 + 1: so are leading zeros"},
		{`{"n":{"N":"0.0050"}}`, 3, "1 + 1 + 1"},
		{`{"n":{"N":"1.5E+20"}}`, 3, "1 + 1 + 1: the exponent is not counted"},
		{`{"b":{"B":"AQIDBA=="}}`, 5, "1 + 4 bytes, not the length of base64"},
		{`{"t":{"BOOL":true},"f":{"BOOL":false},"z":{"NULL":true}}`, 6, "three times 1 + 1"},
		{`{"l":{"L":[]},"m":{"M":{}}}`, 8, "twice 1 + 3"},
		{`{"l":{"L":[{"S":"ab"},{"N":"1"}]}}`, 10, "1 + 3 + (1 + 2) + (1 + 2)"},
		{`{"m":{"M":{"key":{"S":"ab"}}}}`, 10, "1 + 3 + 1 + 3 + 2"},
		{`{"m":{"M":{"l":{"L":[{"BOOL":true}]}}}}`, 11, "1 + 3 + 1 + 1 + (3 + 1 + 1)"},
		{`{"s":{"SS":["abc","de"]}}`, 6, "1 + 3 + 2"},
		{`{"s":{"NS":["1","123"]}}`, 6, "1 + 2 + 3"},
		{`{"s":{"BS":["AQI=","Aw=="]}}`, 4, "1 + 2 + 1"},
	} {
		if got := item(t, tt.item).Size(); got != tt.want {
			t.Errorf("Size of %s = %d, want %d: %s", tt.item, got, tt.want, tt.why)
		}
	}
}

// sized returns an item of a size, with a key of 9 bytes and the attributes in
// more.
func sized(t *testing.T, size int, more string) Item {
	t.Helper()
	i := item(t, `{"pk":{"S":"grant#1"}`+more+`}`)
	pad := strings.Repeat("x", size-i.Size()-1)
	i["p"] = Value{S: &pad}
	return i
}

func TestReadUnits(t *testing.T) {
	for _, tt := range []struct {
		size       int
		consistent bool
		want       float64
	}{
		{0, true, 1}, // no such item
		{0, false, 0.5},
		{4096, true, 1},
		{4097, true, 2},
		{4097, false, 1},
		{4096*2 + 1, false, 1.5},
	} {
		if got := readUnits(tt.size, tt.consistent); got != tt.want {
			t.Errorf("readUnits(%d, %t) = %g, want %g", tt.size, tt.consistent, got, tt.want)
		}
	}
}

func TestWriteUnits(t *testing.T) {
	for _, tt := range []struct {
		before, after Item
		want          int
	}{
		{nil, nil, 1}, // deletes what is not there
		{nil, sized(t, 1024, ""), 1},
		{nil, sized(t, 1025, ""), 2},
		{sized(t, 5000, ""), sized(t, 20, ""), 5}, // the larger one counts
		{sized(t, 5000, ""), nil, 5},
	} {
		if got := writeUnits(tt.before, tt.after); got != tt.want {
			t.Errorf("writeUnits of %d and %d bytes = %d, want %d", tt.before.Size(), tt.after.Size(), got, tt.want)
		}
	}
}

func TestIndexUnits(t *testing.T) {
	keysOnly := &index{name: "due", key: []string{"due", "at"}, projected: []string{"due", "at", "pk"}}
	some := &index{name: "due", key: []string{"due", "at"}, projected: []string{"due", "at", "pk", "state"}}
	all := &index{name: "due", key: []string{"due", "at"}}
	const out, in, later = `,"due":{"S":"a"}`, `,"due":{"S":"a"},"at":{"N":"1"}`, `,"due":{"S":"a"},"at":{"N":"2"}`
	for _, tt := range []struct {
		what          string
		index         *index
		before, after Item
		want          int
	}{
		{"in neither", keysOnly, sized(t, 100, out), sized(t, 200, out), 0},
		{"put", keysOnly, nil, sized(t, 100, in), 1},
		{"put by an update", keysOnly, sized(t, 100, out), sized(t, 100, in), 1},
		{"put, the item is large and the entry small", keysOnly, nil, sized(t, 5000, in), 1},
		{"put with all of a large item", all, nil, sized(t, 5000, in), 5},
		{"removed by an update", keysOnly, sized(t, 100, in), sized(t, 100, out), 1},
		{"removed with all of a large item", all, sized(t, 5000, in), nil, 5},
		{"another key", keysOnly, sized(t, 100, in), sized(t, 100, later), 2},
		{"another key, all of items of 2 and 5 KB", all, sized(t, 2048, in), sized(t, 5000, later), 7},
		{"the same key, something else changes", keysOnly, sized(t, 100, in), sized(t, 5000, in), 0},
		{"the same key, something else in the index changes", all, sized(t, 2048, in), sized(t, 5000, in), 5},
		{"an attribute of the index changes", some, sized(t, 100, in+`,"state":{"S":"a"}`), sized(t, 100, in+`,"state":{"S":"b"}`), 1},
		{"the order in a set changes", all, sized(t, 100, in+`,"s":{"SS":["a","b"]}`), sized(t, 100, in+`,"s":{"SS":["b","a"]}`), 0},
	} {
		if got := tt.index.indexUnits(tt.before, tt.after); got != tt.want {
			t.Errorf("%s: %d units, want %d", tt.what, got, tt.want)
		}
	}
}

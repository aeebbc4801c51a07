package fake

import (
	"encoding/json"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
)

// RotatedKeys returns the keys of a deployment before and after a key rotation.
// The keys after it still open what the former key sealed.
func RotatedKeys(t testing.TB) (before, after *seal.Ring) {
	t.Helper()
	var doc, fresh map[string]any
	for into, body := range map[*map[string]any][]byte{&doc: seal.Generate(), &fresh: seal.Generate()} {
		if err := json.Unmarshal(body, into); err != nil {
			t.Fatal(err)
		}
	}
	before = parseKeys(t, doc)
	for _, key := range fresh["keys"].(map[string]any) {
		doc["keys"].(map[string]any)["rotated"] = key
	}
	doc["seal"] = "rotated"
	return before, parseKeys(t, doc)
}

func parseKeys(t testing.TB, doc map[string]any) *seal.Ring {
	t.Helper()
	body, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := seal.Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

package records

import (
	"fmt"
	"testing"
)

func TestShardsAreAllUsed(t *testing.T) {
	used := make(map[string]bool)
	for i := range 1000 {
		used[shard("appclient", fmt.Sprint("appclient#", i))] = true
	}
	all := allShards("appclient")
	if len(used) != len(all) {
		t.Errorf("partitions used by 1000 keys: got %d, want %d", len(used), len(all))
	}
	for _, p := range all {
		if !used[p] {
			t.Errorf("the partition %s is not used", p)
		}
	}
}

func TestPlaces_are_read_as_they_were_written(t *testing.T) {
	for _, p := range []place{
		{"appclient#15", 1, "appclient#profile/a b"},
		{"registration#0", 1893456000, "registration#dcr_x"},
	} {
		if got, ok := parsePlace(p.String()); !ok || got != p {
			t.Errorf("parsePlace(%q) = %+v, %t, want %+v", p, got, ok, p)
		}
	}
	for _, s := range []string{"", "x", "appclient#1", "appclient#1 1", "appclient#01 1 x", "appclient# 1 x", "appclient#1 +1 x", "grant#1 1 x", "appclient#16 1 x"} {
		if p, ok := parsePlace(s); ok {
			t.Errorf("parsePlace(%q) = %+v, want none", s, p)
		}
	}
}

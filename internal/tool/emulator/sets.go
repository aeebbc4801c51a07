package emulator

import (
	"cmp"
	"hash/fnv"
	"slices"
)

// setOrder returns the elements of a member that Cognito keeps as a set, without
// repetitions. Cognito returns a set in an order of its own. So that a caller
// who compares such a member as a list fails here too, the order is neither the
// one that was sent nor the sorted one. Two elements have only two orders; they
// come back in another order than they were sent. The same input always gives
// the same order.
func setOrder(sent []string) []string {
	var distinct []string
	for _, s := range sent {
		if !slices.Contains(distinct, s) {
			distinct = append(distinct, s)
		}
	}
	sorted := slices.Sorted(slices.Values(distinct))
	order := slices.SortedFunc(slices.Values(distinct), func(a, b string) int {
		return cmp.Or(cmp.Compare(hash(a), hash(b)), cmp.Compare(a, b))
	})
	for range order {
		if !slices.Equal(order, distinct) && !slices.Equal(order, sorted) {
			return order
		}
		order = append(order[1:], order[0])
	}
	return sorted
}

func hash(s string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(s))
	return h.Sum32()
}

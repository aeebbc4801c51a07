package meter

// The sizes by which DynamoDB charges, in bytes
// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html).
const (
	readUnit  = 4096
	writeUnit = 1024
)

// maxItem is the largest size of an item.
const maxItem = 400 << 10

// readUnits returns what a read of this many bytes costs. Reading nothing costs
// as much as reading one byte: DynamoDB charges for a missing item and for a
// query without results.
func readUnits(size int, consistent bool) float64 {
	units := float64(max(1, ceil(size, readUnit)))
	if !consistent {
		return units / 2
	}
	return units
}

// writeUnits returns what a write costs in the table, or in one of its indexes.
// It counts the larger of the item before and after. To delete an item that does
// not exist costs one unit, too.
func writeUnits(before, after Item) int {
	return max(1, ceil(max(before.Size(), after.Size()), writeUnit))
}

// indexUnits returns what a write of an item costs in an index
// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html#GSI.Writes).
func (x *index) indexUnits(before, after Item) int {
	old, now := x.entry(before), x.entry(after)
	switch {
	case old == nil && now == nil:
		return 0
	case old == nil || now == nil:
		return writeUnits(old, now)
	case !x.keyOf(old).equal(x.keyOf(now)):
		return writeUnits(old, nil) + writeUnits(nil, now) // deletes an entry, and puts another
	case !old.equal(now):
		return writeUnits(old, now)
	}
	return 0
}

func ceil(n, by int) int { return (n + by - 1) / by }

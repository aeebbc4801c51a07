package records

import (
	"context"
	"crypto/sha256"
	"errors"
	"iter"
	"strconv"
)

// A Getter reads items by key. Implementations are safe for concurrent use. op
// names the operation, for errors and tests.
type Getter interface {
	// Get returns the item with that key, or nil if there is none. It sees every
	// write that returned before it.
	Get(ctx context.Context, op, key string) (Item, error)
}

// A Table has items by key, and indexes of them. Implementations are safe for
// concurrent use. They may apply a write twice, as an SDK does when it has lost
// the reply. op names the operation of the Store, for errors and tests.
type Table interface {
	Getter
	// Write changes one item, unless its condition is not met. It returns
	// ErrTooLarge if nothing was changed because the item would be too large. After
	// any other error it is not known whether the write was applied.
	Write(ctx context.Context, op string, w Write) (Outcome, error)
	// Query yields items of an index in the order of q.Partitions, and within one
	// by Sort and key unless q.Whole is set, or items with some prefixes in no order. It
	// may not show the latest writes, and ends with its first error. The caller can
	// write to the table while it reads the sequence.
	Query(ctx context.Context, op string, q Query) iter.Seq2[Item, error]
	// Identity returns an identifier of the table; see broker.Sweeping.
	Identity(ctx context.Context, op string) (string, error)
}

// ErrTooLarge means that an item would be larger than MaxItem. Nothing was
// changed.
var ErrTooLarge = errors.New("the item would be too large")

// MaxItem is the largest size of an item in bytes, as Item.Size counts it
// (DynamoDB, quotas: 400 KB).
const MaxItem = 400 << 10

// Names of columns that are not a field of a record.
const (
	// ColumnKey is the key of the item.
	ColumnKey = "pk"
	// ColumnTTL is the time in Unix seconds from which a Table may remove the
	// item.
	ColumnTTL = "ttl"

	columnSchema = "schema"
	columnBody   = "body"
)

// An Item has the columns of a record. A value is a string, an int64, a []byte
// or a Set, and is never changed in place.
type Item map[string]any

// A Set is a set of members. An empty Set is stored as no column.
type Set []Member

// A Member of a Set is the beginning of the SHA-256 of a text, so that all
// members have the same small size. A collision would count two members as one,
// which is as unlikely as two equal random ids.
type Member [16]byte

func memberOf(text string) Member {
	sum := sha256.Sum256([]byte(text))
	return Member(sum[:len(Member{})])
}

// Size returns the size of the item in bytes, by DynamoDB's rule: the length of
// all names and values in UTF-8. A number counts a byte for each two digits and
// one more.
func (it Item) Size() int {
	n := 0
	for name, v := range it {
		n += len(name)
		switch v := v.(type) {
		case string:
			n += len(v)
		case []byte:
			n += len(v)
		case Set:
			n += len(v) * len(Member{})
		case int64:
			n += (len(strconv.FormatInt(v, 10))+1)/2 + 1
		}
	}
	return n
}

// An Index has the items that have its columns.
type Index struct {
	Name string
	// Partition is the column whose value divides the index.
	Partition string
	// Sort is the column by which a partition is sorted, a number. It is empty
	// if the order does not matter.
	Sort string
}

// The indexes of the table. An entry has only the item's key and the columns of
// the index.
var (
	// dueIndex has the registrations, the records of app clients and the initial
	// access tokens, by the time at which the janitor must look at them.
	dueIndex = Index{"due", "due", "due_at"}
	// clientIndex has a client's grants that have something left to end.
	clientIndex = Index{"client", "client", ""}
	// userIndex has a user's grants that have something left to end, and the
	// user's consents.
	userIndex = Index{"user", "user", ""}
)

// Indexes returns all indexes of the table.
func Indexes() []Index { return []Index{dueIndex, clientIndex, userIndex} }

// A Query reads partitions of an index, or all items whose key has one of some
// prefixes.
type Query struct {
	// Prefixes are those of the keys. If there are any, the fields about an index
	// are not set.
	Prefixes []string

	Index Index
	// Partitions are read in this order.
	Partitions []string
	// UpTo is the largest value of the index's Sort column; nil is no limit.
	UpTo *int64
	// After is the entry of the first partition after which to begin; nil begins
	// with the first entry. It has the item's key and the columns of the index.
	After Item
	// Whole asks for whole items. Otherwise an item has at least its key and the
	// columns of the index.
	Whole bool
}

// A Write changes the item with the key Key if it meets the condition If. One
// of Put and Change is set, or none to remove the item.
type Write struct {
	Key string
	If  Condition
	// Put replaces the whole item.
	Put Item
	// Change changes columns, and makes the item if there is none.
	Change *Change
	// Return asks for the new item after a Change.
	Return bool
}

// A Change changes columns of an item.
type Change struct {
	// Set has the new values of columns.
	Set Item
	// Default has the values of columns that the item does not have yet.
	Default Item
	// Remove has columns to remove.
	Remove []string
	// Increment has columns whose number grows by one, from 0.
	Increment []string
	// Join and Leave are members of sets to add and to remove.
	Join, Leave map[string]Member
}

// An Outcome is the result of a Write.
type Outcome struct {
	// Refused is true if the condition was not met; nothing was changed then.
	Refused bool
	// Item is the stored item if the write was refused, nil if there is none.
	// After a Write with Return it is the new item. Otherwise it is nil.
	Item Item
}

// A Condition is a condition on an item. The zero value is always met. Unless
// its Operator says otherwise, a condition on a column that the item does not
// have is not met.
type Condition struct {
	Operator Operator
	Column   string
	// Value is compared with the column.
	Value any
	// Parts are those of All and Any.
	Parts []Condition
}

// An Operator is the kind of a Condition.
type Operator int

// The operators.
const (
	Always   Operator = iota
	Has               // the item has the column
	Lacks             // it does not
	Equal             // the column equals Value
	Less              // the column is less than Value
	Expired           // the column is at most the time of the write, in Unix seconds
	Live              // the item lacks the column, or it is later than the time of the write
	Contains          // the set contains the member Value
	Fewer             // the set has fewer members than Value, a number or the name of a column
	All               // all Parts are met
	Any               // one of Parts is met
)

// is returns a condition on one column.
func is(column string, o Operator, value any) Condition { return Condition{o, column, value, nil} }

func all(parts ...Condition) Condition    { return Condition{Operator: All, Parts: parts} }
func either(parts ...Condition) Condition { return Condition{Operator: Any, Parts: parts} }

// Conditions of several operations.
var (
	present = is(ColumnKey, Has, nil)
	absent  = is(ColumnKey, Lacks, nil)
	// live is met by an item that does not count as absent, if it exists.
	live = is(columnExpiry, Live, nil)
	// over is met by an item that counts as absent.
	over = is(columnExpiry, Expired, nil)
)

package dynamo

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Attributes that items of several kinds have.
const (
	attrKey       = "pk"
	attrKind      = "kind"
	attrSchema    = "schema"
	attrVersion   = "version"
	attrCreatedAt = "created_at"
	// attrExpiresAt is the time from which an item counts as absent.
	attrExpiresAt = "expires_at"
	// attrTTL is the time from which DynamoDB may remove an item; it does so
	// within days.
	attrTTL = "ttl"
	// attrDue and attrDueAt are the keys of the index of the same name.
	attrDue   = "due"
	attrDueAt = "due_at"
	// attrStanding is the key of the index of a client's grants.
	attrStanding = "standing"
)

// schema is the version of the attributes that this code reads and writes.
const schema = 1

// Conditions that several operations use. A comparison with an absent attribute
// is false.
const (
	isPresent = "attribute_exists(#pk)"
	isAbsent  = "attribute_not_exists(#pk)"
	isExpired = "#expires_at <= :now"
	isLive    = "(attribute_not_exists(#expires_at) OR #expires_at > :now)"
)

// An item has the attributes of a record by name, or the values of an
// expression.
type item = map[string]types.AttributeValue

// newItem returns an item with the attributes that every item has.
func newItem(kind, k string) item {
	return item{attrKey: str(k), attrKind: str(kind), attrSchema: num(schema)}
}

func str(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func num[T int | int64](n T) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(int64(n), 10)}
}

// set returns a string set, which cannot be empty.
func set(members ...string) types.AttributeValue {
	return &types.AttributeValueMemberSS{Value: members}
}

// putString adds an attribute, unless s is empty.
func putString(it item, name, s string) {
	if s != "" {
		it[name] = str(s)
	}
}

// putTime adds an attribute in Unix seconds, unless t is zero.
func putTime(it item, name string, t time.Time) {
	if !t.IsZero() {
		it[name] = num(t.Unix())
	}
}

// expired reports whether an item counts as absent.
func expired(it item, now int64) bool {
	n, ok := it[attrExpiresAt].(*types.AttributeValueMemberN)
	if !ok {
		return false
	}
	at, err := strconv.ParseInt(n.Value, 10, 64)
	return err == nil && at <= now
}

// names returns the attribute names that expressions use. An expression writes
// each as # and the attribute's name, because many are reserved words.
func names(expressions ...string) map[string]string {
	all := make(map[string]string)
	for _, e := range expressions {
		for i := 0; i < len(e); i++ {
			if e[i] != '#' {
				continue
			}
			end := i + 1
			for end < len(e) && (e[end] == '_' || 'a' <= e[end] && e[end] <= 'z' || '0' <= e[end] && e[end] <= '9') {
				end++
			}
			all[e[i:end]] = e[i+1 : end]
			i = end - 1
		}
	}
	return all
}

// A reader reads the attributes of an item and remembers the first error. An
// item that another program wrote becomes an error, and never a record with
// missing fields.
type reader struct {
	it  item
	err error
}

// read returns a reader of an item, and checks its kind and schema.
func read(kind string, it item) *reader {
	r := &reader{it: it}
	if got := r.string(attrKind); r.err == nil && got != kind {
		r.fail(attrKind, fmt.Errorf("is %q, not %q", got, kind))
	}
	if got := r.int(attrSchema); r.err == nil && (got < 1 || got > schema) {
		r.fail(attrSchema, fmt.Errorf("is %d, but this program can read 1 to %d", got, schema))
	}
	return r
}

var errMissing = errors.New("is missing or of another type")

// string returns a required attribute.
func (r *reader) string(name string) string {
	s, ok := r.it[name].(*types.AttributeValueMemberS)
	if !ok {
		r.fail(name, errMissing)
		return ""
	}
	return s.Value
}

// optionalString returns an attribute, or "" if there is none.
func (r *reader) optionalString(name string) string {
	if _, ok := r.it[name]; !ok {
		return ""
	}
	return r.string(name)
}

// int returns a required attribute.
func (r *reader) int(name string) int64 {
	n, ok := r.it[name].(*types.AttributeValueMemberN)
	if !ok {
		r.fail(name, errMissing)
		return 0
	}
	i, err := strconv.ParseInt(n.Value, 10, 64)
	if err != nil {
		r.fail(name, err)
	}
	return i
}

// optionalInt returns an attribute, or 0 if there is none.
func (r *reader) optionalInt(name string) int64 {
	if _, ok := r.it[name]; !ok {
		return 0
	}
	return r.int(name)
}

// time returns an attribute, or the zero time if there is none.
func (r *reader) time(name string) time.Time {
	if _, ok := r.it[name]; !ok {
		return time.Time{}
	}
	return time.Unix(r.int(name), 0).UTC()
}

// set returns the members of a string set. DynamoDB removes an empty set.
func (r *reader) set(name string) []string {
	if _, ok := r.it[name]; !ok {
		return nil
	}
	ss, ok := r.it[name].(*types.AttributeValueMemberSS)
	if !ok {
		r.fail(name, errMissing)
		return nil
	}
	return ss.Value
}

// fail records the first error.
func (r *reader) fail(name string, err error) {
	if r.err != nil {
		return
	}
	k := "an item"
	if s, ok := r.it[attrKey].(*types.AttributeValueMemberS); ok {
		k = fmt.Sprintf("item %q", s.Value)
	}
	r.err = fmt.Errorf("dynamodb: %s: attribute %s %w", k, name, err)
}

package dynamo

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// rememberedWrites is the number of write ids on an item, one for each of the
// last versions. The SDK repeats a write whose reply was lost. The condition
// refuses the repeated write, because the first one is already applied, and the
// write recognizes its id, even if another request has written since. The id is
// not part of the condition, because the repeated write would then undo the
// writes in between.
const rememberedWrites = 8

// writeAttribute returns the attribute with the id of the write that made a
// version.
func writeAttribute(version int64) string {
	return fmt.Sprintf("write_%d", version%rememberedWrites)
}

// madeBy reports whether the write with that id made the version of the item.
func madeBy(it item, version int64, id string) bool {
	s, ok := it[writeAttribute(version)].(*types.AttributeValueMemberS)
	return ok && s.Value == id
}

// create stores it as version 1 on a condition, or returns broker.ErrExists.
func (s *Store) create(ctx context.Context, op string, it item, condition string, values item) error {
	const version = 1
	id := rand.Text()
	it[attrVersion] = num(version)
	it[writeAttribute(version)] = str(id)
	out, err := s.put(ctx, op, it, condition, values)
	if err != nil {
		return err
	}
	if out.refused && !madeBy(out.old, version, id) {
		return broker.ErrExists
	}
	return nil
}

// A guard is an additional condition of a replacement.
type guard struct {
	condition string
	values    item
}

// replace sets the attributes of it on the stored item, and removes the
// optional attributes that it lacks, if the item is live, has this version and
// meets the guards. Other attributes do not change. It returns
// broker.ErrNotFound or broker.ErrConflict.
func (s *Store) replace(ctx context.Context, op string, it item, optional []string, version int64, guards ...guard) error {
	next := version + 1
	id := rand.Text()
	k := it[attrKey].(*types.AttributeValueMemberS).Value
	delete(it, attrKey)
	it[attrVersion] = num(next)
	it[writeAttribute(next)] = str(id)

	now := s.now().Unix()
	values := item{":version": num(version), ":now": num(now)}
	var sets, removes []string
	for name, value := range it {
		sets = append(sets, fmt.Sprintf("#%s = :set_%s", name, name))
		values[":set_"+name] = value
	}
	for _, name := range optional {
		if _, ok := it[name]; !ok {
			removes = append(removes, "#"+name)
		}
	}
	slices.Sort(sets)
	update := "SET " + strings.Join(sets, ", ")
	if len(removes) > 0 {
		update += " REMOVE " + strings.Join(removes, ", ")
	}
	condition := isPresent + " AND #version = :version AND " + isLive
	for _, g := range guards {
		condition += " AND " + g.condition
		maps.Copy(values, g.values)
	}
	out, err := s.update(ctx, op, k, update, condition, values)
	switch {
	case err != nil:
		return err
	case !out.refused, madeBy(out.old, next, id):
		return nil
	case out.old == nil, expired(out.old, now):
		return broker.ErrNotFound
	}
	return broker.ErrConflict
}

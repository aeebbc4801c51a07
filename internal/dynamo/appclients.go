package dynamo

import (
	"context"
	"fmt"
	"hash/fnv"
	"iter"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

const kindAppClient = "appclient"

var optionalOfAppClient = []string{
	"for", "cognito_id", "abandoned", "initial_access_token", "client_id", "generation", "scopes", "secret", "branded",
	attrCreatedAt, attrDue, attrDueAt,
}

// duePartitions is over how many partitions the index spreads, so that it
// takes more writes than a single one would.
const duePartitions = 16

// CreateAppClient implements broker.AppClientRecords.
func (s *Store) CreateAppClient(ctx context.Context, a *broker.AppClient) error {
	const op = "create app client record"
	k, ok := key(kindAppClient, a.Key)
	if !ok {
		return errKey(op)
	}
	if err := s.create(ctx, op, appClientItem(k, a), isAbsent, nil); err != nil {
		return err
	}
	a.Version = 1
	return nil
}

// AppClient implements broker.AppClientRecords.
func (s *Store) AppClient(ctx context.Context, id string) (*broker.AppClient, error) {
	k, ok := key(kindAppClient, id)
	if !ok {
		return nil, broker.ErrNotFound
	}
	it, err := s.get(ctx, "read app client record", k)
	if err != nil {
		return nil, err
	}
	if it == nil {
		return nil, broker.ErrNotFound
	}
	return readAppClient(it)
}

// ReplaceAppClient implements broker.AppClientRecords.
func (s *Store) ReplaceAppClient(ctx context.Context, a *broker.AppClient) error {
	k, ok := key(kindAppClient, a.Key)
	if !ok {
		return broker.ErrNotFound
	}
	err := s.replace(ctx, "replace app client record", appClientItem(k, a), optionalOfAppClient, a.Version)
	if err != nil {
		return err
	}
	a.Version++
	return nil
}

// DeleteAppClient implements broker.AppClientRecords.
func (s *Store) DeleteAppClient(ctx context.Context, id string, version int64) error {
	k, ok := key(kindAppClient, id)
	if !ok {
		return nil
	}
	out, err := s.remove(ctx, "delete app client record", k, isAbsent+" OR #version = :version",
		item{":version": num(version)})
	if err != nil {
		return err
	}
	if out.refused {
		return broker.ErrConflict
	}
	return nil
}

// DueAppClients implements broker.AppClientRecords.
func (s *Store) DueAppClients(ctx context.Context, now time.Time) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for n := range duePartitions {
			if !s.due(ctx, n, now, yield) {
				return
			}
		}
	}
}

// due yields the app clients that one partition of the index holds as due. It
// reports whether to go on.
func (s *Store) due(ctx context.Context, n int, now time.Time, yield func(string, error) bool) bool {
	const condition = "#due = :due AND #due_at <= :now"
	var from map[string]types.AttributeValue
	for {
		out, err := s.client.Query(ctx, &dynamodb.QueryInput{
			TableName:                 &s.table,
			IndexName:                 aws.String(dueIndex),
			KeyConditionExpression:    aws.String(condition),
			ExpressionAttributeNames:  names(condition),
			ExpressionAttributeValues: item{":due": str(duePartition(n)), ":now": num(now.Unix())},
			ExclusiveStartKey:         from,
			Limit:                     &s.page,
		})
		if err != nil {
			yield("", failure("find what is due", err))
			return false
		}
		for _, it := range out.Items {
			r := reader{it: it}
			k := r.string(attrKey)
			id, ok := strings.CutPrefix(k, kindAppClient+"#")
			if r.err == nil && !ok {
				continue // the index is for other kinds as well
			}
			if !yield(id, r.err) || r.err != nil {
				return false
			}
		}
		if from = out.LastEvaluatedKey; len(from) == 0 {
			return true
		}
	}
}

// putDue enters an item into the index, unless at is zero.
func putDue(it item, k string, at time.Time) {
	if at.IsZero() {
		return
	}
	h := fnv.New32a()
	h.Write([]byte(k))
	it[attrDue] = str(duePartition(int(h.Sum32() % duePartitions)))
	it[attrDueAt] = num(at.Unix())
}

func duePartition(n int) string { return fmt.Sprintf("due#%d", n) }

// appClientItem returns a as attributes, without what create and replace add.
func appClientItem(k string, a *broker.AppClient) item {
	it := newItem(kindAppClient, k)
	it["key"] = str(a.Key)
	it["state"] = str(string(a.State))
	it["marker"] = str(a.Marker)
	it["profile"] = str(a.Profile)
	putString(it, "for", string(a.Kind)) // "kind" is of the item
	putTexts(it, "abandoned", a.Abandoned)
	putString(it, "cognito_id", a.CognitoID)
	putString(it, "initial_access_token", a.InitialAccessToken)
	putText(it, "client_id", a.ClientID)
	putText(it, "generation", a.Generation)
	putTexts(it, "scopes", a.Scopes)
	putText(it, "secret", a.Secret)
	if a.Branded {
		it["branded"] = boolean(true)
	}
	putTime(it, attrCreatedAt, a.CreatedAt)
	putDue(it, k, a.Due)
	return it
}

func readAppClient(it item) (*broker.AppClient, error) {
	from := read(kindAppClient, it)
	a := &broker.AppClient{
		Key:                from.string("key"),
		Version:            from.int(attrVersion),
		State:              broker.AppClientState(from.string("state")),
		Kind:               broker.AppClientKind(from.optionalString("for")),
		Marker:             from.string("marker"),
		Abandoned:          from.texts("abandoned"),
		CognitoID:          from.optionalString("cognito_id"),
		Profile:            from.string("profile"),
		InitialAccessToken: from.optionalString("initial_access_token"),
		ClientID:           from.optionalText("client_id"),
		Generation:         from.optionalText("generation"),
		Scopes:             from.texts("scopes"),
		Secret:             from.optionalText("secret"),
		Branded:            from.optionalBoolean("branded"),
		CreatedAt:          from.time(attrCreatedAt),
		Due:                from.time(attrDueAt),
	}
	if from.err != nil {
		return nil, from.err
	}
	return a, nil
}

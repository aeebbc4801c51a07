package dynamo

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// Each of these kinds has a single item.
const (
	kindSweep      = "sweep"
	kindDeployment = "deployment"

	keySweep      = kindSweep + "#"
	keyDeployment = kindDeployment + "#"
)

// SweepPlace implements broker.Sweeping.
func (s *Store) SweepPlace(ctx context.Context) (string, error) {
	it, err := s.get(ctx, "read place of sweep", keySweep)
	if err != nil || it == nil {
		return "", err
	}
	from := read(kindSweep, it)
	return from.optionalString("place"), from.err
}

// SetSweepPlace implements broker.Sweeping.
func (s *Store) SetSweepPlace(ctx context.Context, place string) error {
	it := newItem(kindSweep, keySweep)
	putString(it, "place", place)
	return s.overwrite(ctx, "store place of sweep", it)
}

// TableOwner implements broker.Sweeping.
func (s *Store) TableOwner(ctx context.Context) (*broker.TableOwner, error) {
	it, err := s.get(ctx, "read deployment", keyDeployment)
	if err != nil {
		return nil, err
	}
	if it == nil {
		return nil, broker.ErrNotFound
	}
	from := read(kindDeployment, it)
	d := &broker.TableOwner{ID: from.string("id"), Store: from.optionalString("store"), Began: from.time("began_at")}
	if from.err != nil {
		return nil, from.err
	}
	return d, nil
}

// CreateTableOwner implements broker.Sweeping.
func (s *Store) CreateTableOwner(ctx context.Context, d *broker.TableOwner) error {
	out, err := s.put(ctx, "create deployment", deploymentItem(d), isAbsent, nil)
	if err == nil && out.refused {
		return broker.ErrExists
	}
	return err
}

// SetTableOwner implements broker.Sweeping.
func (s *Store) SetTableOwner(ctx context.Context, d *broker.TableOwner) error {
	return s.overwrite(ctx, "store deployment", deploymentItem(d))
}

// Identity implements broker.Sweeping. It returns the id that DynamoDB gives a
// table, or, without an id, its creation time: a table that was made again or
// restored has another identity.
func (s *Store) Identity(ctx context.Context) (string, error) {
	const op = "describe table"
	out, err := s.client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &s.table})
	if err != nil {
		return "", failure(op, err)
	}
	switch {
	case out.Table == nil:
		return "", nil
	case aws.ToString(out.Table.TableId) != "":
		return aws.ToString(out.Table.TableId), nil
	case out.Table.CreationDateTime != nil:
		return out.Table.CreationDateTime.UTC().Format(time.RFC3339Nano), nil
	}
	return "", nil
}

func deploymentItem(d *broker.TableOwner) item {
	it := newItem(kindDeployment, keyDeployment)
	it["id"] = str(d.ID)
	putString(it, "store", d.Store)
	putTime(it, "began_at", d.Began)
	return it
}

// overwrite stores a whole item without a condition.
func (s *Store) overwrite(ctx context.Context, op string, it item) error {
	_, err := s.client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &s.table, Item: it})
	if err != nil {
		return failure(op, err)
	}
	return nil
}

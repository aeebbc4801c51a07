package dynamo

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

// reads records whether items are read consistently. The server of the other
// tests is always consistent, so they cannot see a difference.
type reads struct {
	Client
	all, consistent int
}

func (r *reads) GetItem(_ context.Context, in *dynamodb.GetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	r.all++
	if aws.ToBool(in.ConsistentRead) {
		r.consistent++
	}
	return &dynamodb.GetItemOutput{}, nil
}

func TestReadsReturnEarlierWrites(t *testing.T) {
	r := &reads{}
	s := New(r, "table", time.Now)
	ctx := t.Context()
	s.Registration(ctx, "x")
	s.AppClient(ctx, "x")
	s.InitialAccessToken(ctx, "x")
	s.Transaction(ctx, credential.Hash{1})
	s.Grant(ctx, "x")
	s.Consent(ctx, "x")
	s.Tokens(ctx, "x")
	s.SweepPlace(ctx)
	s.TableOwner(ctx)
	if r.all != 9 || r.consistent != r.all {
		t.Errorf("%d of %d reads are consistent, want 9 of 9", r.consistent, r.all)
	}
}

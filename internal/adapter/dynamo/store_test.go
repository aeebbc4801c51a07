package dynamo_test

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dcr-broker/dcr-broker/internal/adapter/dynamo"
	"github.com/dcr-broker/dcr-broker/test/contract"
	"github.com/dcr-broker/dcr-broker/test/dynamodbtest"
)

func TestStore(t *testing.T) {
	dynamodbtest.Endpoint(t)
	for _, way := range []struct {
		name string
		wrap func(post) post
	}{
		{"each request sent once", once},
		{"each request sent twice", twice},
		{"each first reply lost", firstReplyLost},
	} {
		t.Run(way.name, func(t *testing.T) { contract.TestStore(t, openWith(t, way.wrap)) })
	}
}

func TestCounters(t *testing.T) { contract.TestCounters(t, openWith(t, once)) }

func TestCreateTable_refuses_a_name_that_is_taken(t *testing.T) {
	e := dynamodbtest.Endpoint(t)
	err := dynamo.CreateTable(t.Context(), newClient(e, transport(send)), newTable(t, e))
	if _, ok := errors.AsType[*types.ResourceInUseException](err); !ok {
		t.Errorf("got error %v, want ResourceInUseException", err)
	}
}

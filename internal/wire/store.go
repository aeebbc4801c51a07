package wire

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/dcr-broker/dcr-broker/internal/adapter/dynamo"
	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/pkg/clock"
)

// Table returns the store in the table that c names.
func Table(c *environment.Environment, sdk aws.Config) *records.Store {
	return dynamo.New(DynamoDB(c, sdk), c.Table, clock.Now)
}

// DynamoDB returns the client of DynamoDB in the region of c.
func DynamoDB(c *environment.Environment, sdk aws.Config) *dynamodb.Client {
	return dynamodb.NewFromConfig(sdk, func(o *dynamodb.Options) {
		o.Region = c.Region
		if c.DynamoDBEndpoint != "" {
			o.BaseEndpoint = aws.String(c.DynamoDBEndpoint)
		}
	})
}

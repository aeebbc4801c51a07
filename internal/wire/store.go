package wire

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/dcr-broker/dcr-broker/internal/adapter/dynamo"
	"github.com/dcr-broker/dcr-broker/internal/environment"
)

// Store returns the store in the table that c describes.
func Store(c *environment.Config, sdk aws.Config) *dynamo.Store {
	client := dynamodb.NewFromConfig(sdk, func(o *dynamodb.Options) {
		o.Region = c.Region
		if c.DynamoDBEndpoint != "" {
			o.BaseEndpoint = aws.String(c.DynamoDBEndpoint)
		}
	})
	return dynamo.New(client, c.Table, time.Now)
}

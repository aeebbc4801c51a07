package cognito

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
)

// Count returns the number of app clients in the pool with a marker of this
// deployment, and the number of all app clients, to which the quota applies. It
// reads page by page.
func (c *AppClients) Count(ctx context.Context) (ours, all int, err error) {
	in := &cip.ListUserPoolClientsInput{UserPoolId: aws.String(c.pool), MaxResults: aws.Int32(60)}
	for {
		page, err := call(ctx, c, opList, c.api.ListUserPoolClients, in)
		if err != nil {
			return ours, all, err
		}
		for _, d := range page.UserPoolClients {
			all++
			if deployment, _, ok := parseMarker(aws.ToString(d.ClientName)); ok && deployment == c.deployment {
				ours++
			}
		}
		if aws.ToString(page.NextToken) == "" {
			return ours, all, nil
		}
		in.NextToken = page.NextToken
	}
}

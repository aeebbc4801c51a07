package dcrbroker

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"
)

// GrantMintInitialAccessTokens lets grantee do what dcrctl iat create does on the
// table, and no more: put items that are initial access tokens. Whoever may do
// that decides who registers under which profile. A policy document in a
// parameter or bucket, against which dcrctl checks the profile if POLICY names
// it, is the grantee's own affair.
func (b *Broker) GrantMintInitialAccessTokens(grantee awsiam.IGrantable) awsiam.Grant {
	return awsiam.Grant_AddToPrincipal(&awsiam.GrantOnPrincipalOptions{
		Grantee: grantee, Actions: jsii.Strings("dynamodb:PutItem"), ResourceArns: &[]*string{b.Table.TableArn()},
		// The partition key of a token begins so (docs/storage.md).
		Conditions: &map[string]*map[string]any{
			"ForAllValues:StringLike": {"dynamodb:LeadingKeys": jsii.Strings("iat#*")},
			// Without keys the condition above holds.
			"Null": {"dynamodb:LeadingKeys": "false"},
		},
	})
}

// GrantOperate lets grantee do all that dcrctl does (docs/dcrctl.md): read, write
// and list everything in the table, whatever the functions do in the user pool,
// and read the keys and a policy document in a parameter or bucket.
func (b *Broker) GrantOperate(grantee awsiam.IGrantable) awsiam.Grant {
	statements := []awsiam.PolicyStatement{
		allow(b.Table.TableArn(), "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:Scan",
			"dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive"),
		allow(b.index("due"), "dynamodb:Query"), allow(b.index("client"), "dynamodb:Query"),
		allow(b.UserPool.UserPoolArn(), "cognito-idp:ListUserPoolClients", "cognito-idp:DescribeUserPoolClient", "cognito-idp:CreateUserPoolClient",
			"cognito-idp:UpdateUserPoolClient", "cognito-idp:DeleteUserPoolClient", "cognito-idp:CreateManagedLoginBranding",
			"cognito-idp:DescribeUserPool", "cognito-idp:ListResourceServers", "cognito-idp:ListIdentityProviders"),
		allow(jsii.String("*"), "cognito-idp:DescribeUserPoolDomain"), // it is not bound to a pool
	}
	if b.brokered() {
		statements = append(statements, allow(b.Keys.SecretArn(), "secretsmanager:GetSecretValue"))
	}
	if b.policyRead != nil {
		statements = append(statements, b.policyRead)
	}
	var grant awsiam.Grant
	for _, s := range statements {
		g := awsiam.Grant_AddToPrincipal(&awsiam.GrantOnPrincipalOptions{Grantee: grantee, Actions: s.Actions(), ResourceArns: s.Resources()})
		if grant != nil {
			g = grant.Combine(g)
		}
		grant = g
	}
	return grant
}

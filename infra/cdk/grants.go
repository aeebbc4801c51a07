package dcrbroker

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"
)

// GrantMintInitialAccessTokens grants the permissions that dcrctl iat create
// needs on the table: to put items that are initial access tokens, and to read
// the configuration, which has the profiles. With them the grantee decides who
// can register under which profile.
func (b *Broker) GrantMintInitialAccessTokens(grantee awsiam.IGrantable) awsiam.Grant {
	// The partition key of a token begins with iat# (docs/storage.md).
	return b.grantItems(grantee, "dynamodb:PutItem", "iat#*").Combine(b.grantItems(grantee, "dynamodb:GetItem", configurations))
}

// grantItems grants an action on the items of the table whose keys match a
// pattern.
func (b *Broker) grantItems(grantee awsiam.IGrantable, action, keys string) awsiam.Grant {
	return awsiam.Grant_AddToPrincipal(&awsiam.GrantOnPrincipalOptions{
		Grantee: grantee, Actions: jsii.Strings(action), ResourceArns: &[]*string{b.Table.TableArn()},
		Conditions: &map[string]*map[string]any{
			"ForAllValues:StringLike": {"dynamodb:LeadingKeys": jsii.Strings(keys)},
			// The condition above is also true for a request without keys.
			"Null": {"dynamodb:LeadingKeys": "false"},
		},
	})
}

// GrantOperate grants all permissions that dcrctl needs (docs/dcrctl.md): to
// read, write and list everything in the table, the configuration too, to call
// the operations on the user pool that the functions call, to create the scopes
// of a configuration, and to read the keys and the outputs of the stack.
func (b *Broker) GrantOperate(grantee awsiam.IGrantable) awsiam.Grant {
	statements := []awsiam.PolicyStatement{
		allow(b.Table.TableArn(), "dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem",
			"dynamodb:Scan", "dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive"),
		allow(b.index("due"), "dynamodb:Query"), allow(b.index("client"), "dynamodb:Query"), allow(b.index("user"), "dynamodb:Query"),
		allow(b.UserPool.UserPoolArn(), "cognito-idp:ListUserPoolClients", "cognito-idp:DescribeUserPoolClient", "cognito-idp:CreateUserPoolClient",
			"cognito-idp:UpdateUserPoolClient", "cognito-idp:DeleteUserPoolClient", "cognito-idp:CreateManagedLoginBranding",
			"cognito-idp:DescribeUserPool", "cognito-idp:ListIdentityProviders", "cognito-idp:ListCIMDPolicies",
			"cognito-idp:ListResourceServers", "cognito-idp:DescribeResourceServer", "cognito-idp:CreateResourceServer", "cognito-idp:UpdateResourceServer"),
		allow(jsii.String("*"), "cognito-idp:DescribeUserPoolDomain"), // IAM cannot limit it to a user pool
		allow(b.stack.FormatArn(&awscdk.ArnComponents{
			Service: jsii.String("cloudformation"), Resource: jsii.String("stack"), ResourceName: jsii.String(*b.stack.StackName() + "/*"),
		}), "cloudformation:DescribeStacks"),
	}
	if b.brokered() {
		statements = append(statements, allow(b.Keys.SecretArn(), "secretsmanager:GetSecretValue"))
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

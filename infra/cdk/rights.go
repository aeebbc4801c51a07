package dcrbroker

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"
)

// rights returns the permissions of f besides logging. A test compares them
// with the recorded calls of the functions, and with the template.
func (b *Broker) rights(p *Props, f function) []awsiam.PolicyStatement {
	var s []awsiam.PolicyStatement
	if p.Tracing {
		s = append(s, allow(jsii.String("*"), "xray:PutTraceSegments", "xray:PutTelemetryRecords"))
	}
	if b.EdgeSecret != nil && settingsOf[f].internet {
		s = append(s, allow(b.EdgeSecret.SecretArn(), "secretsmanager:GetSecretValue"))
	}
	if f == metadata {
		return append(s, b.readConfigurations())
	}
	items := []string{"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"}
	if f == token && !b.brokered() {
		items = []string{"dynamodb:GetItem", "dynamodb:UpdateItem"}
	}
	if f == janitor {
		items = append(items, "dynamodb:DescribeTable")
		s = append(s, allow(b.index("due"), "dynamodb:Query"), allow(b.deadLetters.AttrArn(), "sqs:SendMessage"))
		if b.brokered() { // the janitor ends grants and revokes their sealed tokens
			s = append(s, allow(b.index("client"), "dynamodb:Query"))
		}
	}
	s = append(s, allow(b.Table.TableArn(), items...), b.denyConfigurations())
	if b.brokered() {
		s = append(s, allow(b.Keys.SecretArn(), "secretsmanager:GetSecretValue"))
	}
	if f == token && b.brokered() || f == authorize {
		s = append(s, allow(b.functions[provision].FunctionArn(), "lambda:InvokeFunction"))
	}
	if actions := b.cognitoActions(f); len(actions) > 0 {
		s = append(s, allow(b.UserPool.UserPoolArn(), actions...))
	}
	return s
}

// configurations is the pattern of the keys of the table's items that have
// configurations (docs/storage.md).
const configurations = "config#*"

// readConfigurations allows a function to read configurations and no other item
// of the table.
func (b *Broker) readConfigurations() awsiam.PolicyStatement {
	return awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Actions: jsii.Strings("dynamodb:GetItem"), Resources: &[]*string{b.Table.TableArn()},
		Conditions: &map[string]any{
			"ForAllValues:StringLike": map[string]any{"dynamodb:LeadingKeys": jsii.Strings(configurations)},
			// The condition above is also true for a request without keys.
			"Null": map[string]any{"dynamodb:LeadingKeys": "false"},
		},
	})
}

// denyConfigurations denies every write of a configuration: only dcrctl writes
// them.
func (b *Broker) denyConfigurations() awsiam.PolicyStatement {
	return awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Effect: awsiam.Effect_DENY,
		Actions: jsii.Strings("dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem",
			"dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate", "dynamodb:PartiQLDelete"),
		Resources: &[]*string{b.Table.TableArn()},
		Conditions: &map[string]any{
			"ForAnyValue:StringLike": map[string]any{"dynamodb:LeadingKeys": jsii.Strings(configurations)},
		},
	})
}

func (b *Broker) index(name string) *string {
	return jsii.String(*b.Table.TableArn() + "/index/" + name)
}

// cognitoActions returns the operations of Cognito's API that f may call. In
// brokered mode, functions that face the internet have none.
func (b *Broker) cognitoActions(f function) []string {
	switch {
	case f == janitor:
		return []string{
			"cognito-idp:DescribeUserPoolClient", "cognito-idp:UpdateUserPoolClient",
			"cognito-idp:DeleteUserPoolClient", "cognito-idp:ListUserPoolClients",
		}
	case f == provision:
		return []string{"cognito-idp:CreateUserPoolClient", "cognito-idp:CreateManagedLoginBranding"}
	case f == register && !b.brokered():
		return []string{
			"cognito-idp:CreateUserPoolClient", "cognito-idp:DescribeUserPoolClient", "cognito-idp:UpdateUserPoolClient",
			"cognito-idp:DeleteUserPoolClient", "cognito-idp:ListUserPoolClients",
		}
	}
	return nil
}

func allow(resource *string, actions ...string) awsiam.PolicyStatement {
	return awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Actions: jsii.Strings(actions...), Resources: &[]*string{resource},
	})
}

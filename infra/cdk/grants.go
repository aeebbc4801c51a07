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

// GrantOperate lets grantee do on the table whatever dcrctl does there: read,
// write and list everything. What is sealed stays sealed without the keys.
func (b *Broker) GrantOperate(grantee awsiam.IGrantable) awsiam.Grant {
	return awsiam.Grant_AddToPrincipal(&awsiam.GrantOnPrincipalOptions{
		Grantee:      grantee,
		Actions:      jsii.Strings("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:Scan"),
		ResourceArns: &[]*string{b.Table.TableArn()},
	})
}

// GrantApplyProfiles lets grantee do what dcrctl profile apply does, which is
// what the function provision does: besides the table, read the keys, and make
// app clients in the user pool. In direct mode there are no such app clients, and
// it is GrantOperate.
func (b *Broker) GrantApplyProfiles(grantee awsiam.IGrantable) awsiam.Grant {
	grant := b.GrantOperate(grantee)
	if !b.brokered() {
		return grant
	}
	for _, s := range b.profileRights {
		grant = grant.Combine(awsiam.Grant_AddToPrincipal(&awsiam.GrantOnPrincipalOptions{
			Grantee: grantee, Actions: s.Actions(), ResourceArns: s.Resources(),
		}))
	}
	return grant
}

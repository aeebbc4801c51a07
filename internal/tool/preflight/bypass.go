package preflight

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"

	"github.com/dcr-broker/dcr-broker/internal/adapter/cognito"
	"github.com/dcr-broker/dcr-broker/internal/adapter/signed"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// This file looks for ways past the broker that Cognito itself opens on the same
// pool. The SDK knows neither of the two, so the calls are built here.

// raw calls an operation of Cognito's API that the SDK does not have, or whose
// answer it cuts.
func (r *run) raw(ctx context.Context, operation string, in, out any) error {
	sdk := r.SDK
	sdk.Region = r.Environment.Region
	if endpoint := r.Environment.CognitoEndpoint; endpoint != "" {
		sdk.BaseEndpoint = aws.String(endpoint)
	}
	return signed.New("cognito-idp", sdk).Call(ctx, "AWSCognitoIdentityProviderService."+operation, in, out)
}

// bypassed names what a way past the broker bypasses.
func (r *run) bypassed() string {
	if r.Environment.Mode == broker.ModeBrokered {
		return "the broker's policy, limits and consent page"
	}
	return "the broker's policy and limits"
}

// cannotTell reports a check whose call failed. It is not a failure: the operator
// may know the answer.
func (r *run) cannotTell(id, what, permission string, err error) {
	do := "look in the console of Cognito, or run the check again"
	if slices.Contains(denied, errorCode(err)) {
		r.warn(id, "cannot tell "+what+": your credentials do not allow "+permission, "allow it for the operator of the broker, see docs/dcrctl.md, or look in the console of Cognito")
		return
	}
	r.warn(id, fmt.Sprintf("cannot tell %s: %v", what, err), do)
}

// registration checks whether the pool's own dynamic client registration is on.
func (r *run) registration(ctx context.Context) {
	const id = "pool.registration"
	var out struct {
		UserPool struct {
			DcrConfiguration *struct {
				EnableStatus   string
				OpenDcrEnabled bool
				AllowedScopes  []string
			}
		}
	}
	err := r.raw(ctx, "DescribeUserPool", map[string]string{"UserPoolId": r.Environment.UserPoolID}, &out)
	if errorCode(err) == "ResourceNotFoundException" {
		return // the check of the pool has failed
	}
	if err != nil {
		r.cannotTell(id, "whether Cognito's own registration is on", "cognito-idp:DescribeUserPool", err)
		return
	}
	dcr := out.UserPool.DcrConfiguration
	if dcr == nil || dcr.EnableStatus == "Disabled" {
		r.ok(id, "Cognito's own registration is off")
		return
	}
	who := "those who have an access token of the pool with the scope aws.cognito/dcr/register get"
	if dcr.OpenDcrEnabled {
		who = "it is open: strangers get"
	}
	scopes := strings.Join(append([]string{"openid", "email", "phone", "profile"}, dcr.AllowedScopes...), " ")
	r.warn(id, fmt.Sprintf("Cognito's own registration is on, and %s app clients with the scopes %s, past %s", who, scopes, r.bypassed()),
		"switch it off in the console of Cognito, unless you want both")
}

// metadataDocuments checks whether clients can sign in by the URL of a metadata
// document (CIMD) at Cognito itself.
func (r *run) metadataDocuments(ctx context.Context) {
	const id = "pool.metadata-documents"
	type policy struct{ PolicyName, ClientId string }
	var policies []policy
	in := map[string]any{"UserPoolId": r.Environment.UserPoolID, "MaxResults": 60}
	for {
		var page struct {
			CIMDPolicies []policy
			NextToken    string
		}
		err := r.raw(ctx, "ListCIMDPolicies", in, &page)
		switch errorCode(err) {
		case "ResourceNotFoundException":
			return // the check of the pool has failed
		case "FeatureUnavailableInTierException":
			r.ok(id, "the plan of the pool has no policies for client ID metadata documents")
			return
		}
		if err != nil {
			r.cannotTell(id, "whether the pool has policies for client ID metadata documents", "cognito-idp:ListCIMDPolicies", err)
			return
		}
		policies = append(policies, page.CIMDPolicies...)
		if page.NextToken == "" {
			break
		}
		in["NextToken"] = page.NextToken
	}
	if len(policies) == 0 {
		r.ok(id, "the pool has no policies for client ID metadata documents")
		return
	}
	var list []string
	for _, p := range policies {
		list = append(list, fmt.Sprintf("%q for %s", p.PolicyName, r.describeAppClient(ctx, p.ClientId)))
	}
	r.warn(id, fmt.Sprintf("Cognito has policies for client ID metadata documents: %s; their clients sign in past %s", strings.Join(list, ", "), r.bypassed()),
		"delete them in the console of Cognito, above all those for app clients of this broker, unless you want both")
}

// describeAppClient returns an app client in words.
func (r *run) describeAppClient(ctx context.Context, id string) string {
	if id == "" {
		return "an app client that no longer exists"
	}
	out, err := r.cognito.DescribeUserPoolClient(ctx, &cip.DescribeUserPoolClientInput{UserPoolId: aws.String(r.Environment.UserPoolID), ClientId: aws.String(id)})
	if err == nil && out.UserPoolClient != nil {
		if deployment, ok := cognito.Deployment(aws.ToString(out.UserPoolClient.ClientName)); ok && deployment == r.Environment.DeploymentID {
			return "the app client " + id + " of this broker"
		}
	}
	return "the app client " + id
}

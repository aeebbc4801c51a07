package preflight

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"github.com/aws/smithy-go"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// denied are the error codes of AWS for a call that IAM does not allow.
var denied = []string{"AccessDenied", "AccessDeniedException", "NotAuthorizedException", "UnauthorizedOperation"}

// throttled are the error codes of AWS for too many calls.
var throttled = []string{"TooManyRequestsException", "ThrottlingException", "Throttling", "ProvisionedThroughputExceededException", "RequestLimitExceeded"}

func errorCode(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return ""
}

// callFailed reports a check whose call failed.
func (r *run) callFailed(id, permission string, err error) {
	if slices.Contains(denied, errorCode(err)) {
		r.failed(id, "your credentials do not allow "+permission, "allow it for the operator of the broker, see docs/operations.md")
		return
	}
	r.failed(id, err.Error(), "check the network, AWS_REGION and your credentials")
}

// A call needs a permission of IAM. do makes it so that it changes nothing.
type call struct {
	permission string
	do         func(context.Context) error
	// harmless are the error codes that prove the permission.
	harmless []string
}

// unknownID is not the id of any app client: Cognito's ids have 26 characters.
const unknownID = "dcrctlconfigcheck"

// cognitoCalls makes the calls of Cognito's API that the functions and dcrctl
// make. Calls that change something name an app client or a scope that does not
// exist. Cognito checks this after the permission.
func (r *run) cognitoCalls(ctx context.Context) {
	pool := aws.String(r.Environment.UserPoolID)
	once := func(o *cip.Options) { o.Retryer = aws.NopRetryer{} }
	gone := []string{"ResourceNotFoundException"}
	calls := []call{
		{"cognito-idp:ListUserPoolClients", func(ctx context.Context) error {
			_, err := r.cognito.ListUserPoolClients(ctx, &cip.ListUserPoolClientsInput{UserPoolId: pool, MaxResults: aws.Int32(1)})
			return err
		}, nil},
		{"cognito-idp:DescribeUserPoolClient", func(ctx context.Context) error {
			_, err := r.cognito.DescribeUserPoolClient(ctx, &cip.DescribeUserPoolClientInput{UserPoolId: pool, ClientId: aws.String(unknownID)})
			return err
		}, gone},
		{"cognito-idp:CreateUserPoolClient", func(ctx context.Context) error { return r.create(ctx, once) },
			[]string{"ScopeDoesNotExistException", "InvalidParameterException", "InvalidOAuthFlowException", "LimitExceededException"}},
		{"cognito-idp:UpdateUserPoolClient", func(ctx context.Context) error {
			_, err := r.cognito.UpdateUserPoolClient(ctx, &cip.UpdateUserPoolClientInput{UserPoolId: pool, ClientId: aws.String(unknownID)}, once)
			return err
		}, gone},
		{"cognito-idp:DeleteUserPoolClient", func(ctx context.Context) error {
			_, err := r.cognito.DeleteUserPoolClient(ctx, &cip.DeleteUserPoolClientInput{UserPoolId: pool, ClientId: aws.String(unknownID)}, once)
			return err
		}, gone},
	}
	if r.Environment.Mode == broker.ModeBrokered && r.Environment.LoginVersion == 2 {
		calls = append(calls, call{"cognito-idp:CreateManagedLoginBranding", func(ctx context.Context) error {
			in := &cip.CreateManagedLoginBrandingInput{UserPoolId: pool, ClientId: aws.String(unknownID), UseCognitoProvidedValues: true}
			_, err := r.cognito.CreateManagedLoginBranding(ctx, in, once)
			return err
		}, gone})
	}
	r.try(ctx, "iam.cognito", calls)
}

// scopeCalls makes the calls by which dcrctl config apply --create-scopes creates
// scopes. They name a resource server that does not exist. Cognito refuses to
// create one that exists already, so without one that call is left out.
func (r *run) scopeCalls(ctx context.Context) {
	pool := aws.String(r.Environment.UserPoolID)
	once := func(o *cip.Options) { o.Retryer = aws.NopRetryer{} }
	gone := []string{"ResourceNotFoundException"}
	calls := []call{
		{"cognito-idp:DescribeResourceServer", func(ctx context.Context) error {
			_, err := r.cognito.DescribeResourceServer(ctx, &cip.DescribeResourceServerInput{UserPoolId: pool, Identifier: aws.String(unknownID)})
			return err
		}, gone},
		{"cognito-idp:UpdateResourceServer", func(ctx context.Context) error {
			in := &cip.UpdateResourceServerInput{UserPoolId: pool, Identifier: aws.String(unknownID), Name: aws.String(unknownID)}
			_, err := r.cognito.UpdateResourceServer(ctx, in, once)
			return err
		}, gone},
	}
	if r.resourceServer != "" {
		calls = append(calls, call{"cognito-idp:CreateResourceServer", func(ctx context.Context) error {
			in := &cip.CreateResourceServerInput{UserPoolId: pool, Identifier: aws.String(r.resourceServer), Name: aws.String(unknownID)}
			_, err := r.cognito.CreateResourceServer(ctx, in, once)
			return err
		}, []string{"InvalidParameterException"}})
	}
	r.tryAll(ctx, "iam.create-scopes", calls, func(forbidden string) {
		r.warn("iam.create-scopes", "your credentials do not allow "+forbidden, "allow them if you use --create-scopes, see docs/dcrctl.md")
	})
}

// create tries to create an app client with a scope that no resource server
// has. If Cognito creates it anyway, create deletes it.
func (r *run) create(ctx context.Context, once func(*cip.Options)) error {
	pool := aws.String(r.Environment.UserPoolID)
	out, err := r.cognito.CreateUserPoolClient(ctx, &cip.CreateUserPoolClientInput{
		UserPoolId: pool, ClientName: aws.String("dcrctl config check"), AllowedOAuthFlowsUserPoolClient: true,
		AllowedOAuthFlows: []types.OAuthFlowType{types.OAuthFlowTypeCode}, CallbackURLs: []string{"https://localhost/"},
		AllowedOAuthScopes: []string{"dcrctl-config-check/does-not-exist"}, SupportedIdentityProviders: []string{"COGNITO"},
	}, once)
	if err != nil {
		return err
	}
	if out.UserPoolClient == nil {
		return nil
	}
	id := aws.ToString(out.UserPoolClient.ClientId)
	if _, err := r.cognito.DeleteUserPoolClient(context.WithoutCancel(ctx), &cip.DeleteUserPoolClientInput{UserPoolId: pool, ClientId: aws.String(id)}); err != nil {
		return fmt.Errorf("app client %s was created although its scope does not exist, and cannot be deleted; delete it: %w", id, err)
	}
	return nil
}

// try makes the calls of a service, and reports in one check which of them are
// not allowed.
func (r *run) try(ctx context.Context, id string, calls []call) {
	r.tryAll(ctx, id, calls, func(forbidden string) {
		r.failed(id, "your credentials do not allow "+forbidden, "allow them for the operator of the broker, see docs/operations.md")
	})
}

// tryAll makes the calls, and calls report with those that are not allowed.
func (r *run) tryAll(ctx context.Context, id string, calls []call, report func(forbidden string)) {
	var forbidden, unknown, allowed []string
	for _, c := range calls {
		err := c.do(ctx)
		code := errorCode(err)
		_, operation, _ := strings.Cut(c.permission, ":")
		switch {
		case err == nil || slices.Contains(c.harmless, code):
			allowed = append(allowed, operation)
		case slices.Contains(denied, code):
			forbidden = append(forbidden, c.permission)
		case slices.Contains(throttled, code):
			unknown = append(unknown, operation+" (throttled)")
		default:
			unknown = append(unknown, fmt.Sprintf("%s (%v)", operation, err))
		}
	}
	if len(forbidden) > 0 {
		report(strings.Join(forbidden, ", "))
	}
	if len(unknown) > 0 {
		r.warn(id, "no result for "+strings.Join(unknown, ", "), "try again")
	}
	if len(forbidden)+len(unknown) == 0 {
		r.ok(id, "your credentials allow "+strings.Join(allowed, ", "))
	}
}

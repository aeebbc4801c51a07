package emulator_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
	"github.com/dcr-broker/dcr-broker/test/must"
)

func TestRateOfEachOperation(t *testing.T) {
	l := start(t, func(c *emulator.Config) { c.NoRateLimit = false })
	for range 5 {
		l.create(publicClient())
	}
	_, err := l.sdk.CreateUserPoolClient(t.Context(), publicClient())
	var throttled *types.TooManyRequestsException
	if !asError(err, &throttled) {
		t.Fatalf("sixth create of a second: %v, want *types.TooManyRequestsException", err)
	}
	if _, err := l.sdk.ListUserPoolClients(t.Context(), &cip.ListUserPoolClientsInput{UserPoolId: aws.String(pool)}); err != nil {
		t.Errorf("another operation: %v, want it admitted", err)
	}
	l.clock.Advance(time.Second)
	l.create(publicClient())
	if got := l.Calls("CreateUserPoolClient"); got != 7 {
		t.Errorf("Calls = %d, want 7, the refused one included", got)
	}
}

func TestControlPlaneRefusesOddRequests(t *testing.T) {
	l := start(t, nil)
	for _, tt := range []struct {
		name, target, contentType, authorization, body, want string
	}{
		{"an unknown operation", "AWSCognitoIdentityProviderService.SignUp", "application/x-amz-json-1.1", "AWS4-HMAC-SHA256 x", "{}", "UnknownOperationException"},
		{"another service", "DynamoDB_20120810.PutItem", "application/x-amz-json-1.1", "AWS4-HMAC-SHA256 x", "{}", "UnknownOperationException"},
		{"no signature", "AWSCognitoIdentityProviderService.DescribeUserPool", "application/x-amz-json-1.1", "", "{}", "MissingAuthenticationTokenException"},
		{"another content type", "AWSCognitoIdentityProviderService.DescribeUserPool", "application/json", "AWS4-HMAC-SHA256 x", "{}", "SerializationException"},
		{"a cut body", "AWSCognitoIdentityProviderService.DescribeUserPool", "application/x-amz-json-1.1", "AWS4-HMAC-SHA256 x", `{"UserPoolId":`, "SerializationException"},
		{"a wrong type", "AWSCognitoIdentityProviderService.DescribeUserPool", "application/x-amz-json-1.1", "AWS4-HMAC-SHA256 x", `{"UserPoolId":[]}`, "SerializationException"},
		{"null", "AWSCognitoIdentityProviderService.DescribeUserPool", "application/x-amz-json-1.1", "AWS4-HMAC-SHA256 x", `null`, "InvalidParameterException"},
		{"no body", "AWSCognitoIdentityProviderService.DescribeUserPool", "application/x-amz-json-1.1", "AWS4-HMAC-SHA256 x", ``, "SerializationException"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req := must.Request(t, http.MethodPost, l.base+"/", tt.body)
			req.Header.Set("X-Amz-Target", tt.target)
			req.Header.Set("Content-Type", tt.contentType)
			if tt.authorization != "" {
				req.Header.Set("Authorization", tt.authorization)
			}
			a := l.do(req)
			if a.status != 400 || a.text("__type") != tt.want || a.header.Get("X-Amzn-ErrorType") != tt.want+":" {
				t.Errorf("got %d %s (X-Amzn-ErrorType %q), want 400 %s", a.status, a.raw, a.header.Get("X-Amzn-ErrorType"), tt.want)
			}
		})
	}
}

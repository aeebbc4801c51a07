package awssdk

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go"

	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

// A call that AWS throttles and then answers counts as two calls, one of them
// throttled.
func TestCallsOfTheSDKAreMeasured(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	calls := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls++; calls == 1 {
			w.Header().Set("X-Amzn-ErrorType", "TooManyRequestsException")
			w.WriteHeader(http.StatusBadRequest)
		}
		w.Write([]byte("{}"))
	}))
	defer srv.Close()
	ctx, activity := telemetry.Begin(t.Context(), "id-1")
	sdk := Config("eu-west-1")
	api := cip.NewFromConfig(sdk, func(o *cip.Options) { o.BaseEndpoint = aws.String(srv.URL) })
	if _, err := api.DescribeUserPool(ctx, &cip.DescribeUserPoolInput{UserPoolId: aws.String("eu-west-1_a")}); err != nil {
		t.Fatal(err)
	}
	store := dynamodb.NewFromConfig(sdk, func(o *dynamodb.Options) { o.BaseEndpoint = aws.String(srv.URL) })
	if _, err := store.ListTables(ctx, nil); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	activity.Log(ctx, slog.New(slog.NewJSONHandler(&log, nil)), "answered")
	var line struct {
		Cognito, DynamoDB struct {
			Calls int
			MS    float64
		}
		CognitoThrottles int
		CognitoLatency   []float64
		DynamoDBLatency  []float64
	}
	if err := json.Unmarshal(log.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	if line.Cognito.Calls != 2 || line.CognitoThrottles != 1 || len(line.CognitoLatency) != 2 || line.Cognito.MS <= 0 {
		t.Errorf("got %+v, want two calls of Cognito, one of them throttled", line)
	}
	if line.DynamoDB.Calls != 1 || len(line.DynamoDBLatency) != 1 {
		t.Errorf("got %+v, want one call of DynamoDB", line)
	}
}

// The error for a full pool does not mean too many calls.
func TestAFullPoolIsNotThrottling(t *testing.T) {
	for code, want := range map[string]bool{"LimitExceededException": false, "TooManyRequestsException": true, "ProvisionedThroughputExceededException": true} {
		if got := throttles.IsErrorThrottle(&smithy.GenericAPIError{Code: code}).Bool(); got != want {
			t.Errorf("%s counts as throttling: %t, want %t", code, got, want)
		}
	}
}

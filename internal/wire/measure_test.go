package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go"

	"github.com/dcr-broker/dcr-broker/internal/config"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

// A call that AWS throttles and then answers is two, one of them throttled.
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
	sdk := SDK(&config.Config{Region: "eu-west-1"})
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

func TestCallsAreTracedOnlyIfTheConfigurationSaysSo(t *testing.T) {
	daemon, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer daemon.Close()
	if off := SDK(&config.Config{Region: "eu-west-1"}); len(off.APIOptions) != 1 {
		t.Errorf("without TRACING clients have %d options, want the measuring alone", len(off.APIOptions))
	}
	on := SDK(&config.Config{Region: "eu-west-1", XRayDaemon: daemon.LocalAddr().String()})
	if len(on.APIOptions) != 2 {
		t.Errorf("with TRACING clients have %d options, want 2", len(on.APIOptions))
	}
	var log bytes.Buffer
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	broken := SDK(&config.Config{Region: "eu-west-1", XRayDaemon: "no address"})
	if len(broken.APIOptions) != 1 || !strings.Contains(log.String(), "not traced") {
		t.Errorf("an address that is none: %d options and the log %q, want no tracing and a line", len(broken.APIOptions), log.String())
	}
}

// What a pool that is full says is no matter of how often it was asked.
func TestAFullPoolIsNoThrottle(t *testing.T) {
	for code, want := range map[string]bool{"LimitExceededException": false, "TooManyRequestsException": true, "ProvisionedThroughputExceededException": true} {
		if got := throttles.IsErrorThrottle(&smithy.GenericAPIError{Code: code}).Bool(); got != want {
			t.Errorf("%s is a throttle: %t, want %t", code, got, want)
		}
	}
}

// An invocation that is no HTTP request has a line as a request has.
func TestAnInvocationIsOneLine(t *testing.T) {
	for _, tt := range []struct {
		err     error
		outcome string
	}{{nil, "ok"}, {errors.New("the pool is on fire"), "failed"}} {
		var log bytes.Buffer
		ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "invocation-1"})
		ctx, end := Begin(ctx, slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelError})), "swept")
		telemetry.Set(ctx, telemetry.JanitorBacklog, 3)
		end(tt.err, slog.Int("done", 7))
		var line map[string]any
		if err := json.Unmarshal(log.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		if line["msg"] != "swept" || line["request_id"] != "invocation-1" || line["outcome"] != tt.outcome || line["done"] != 7.0 || line["JanitorBacklog"] != 3.0 {
			t.Errorf("got %v, want the invocation with the outcome %s", line, tt.outcome)
		}
		if _, ok := line["error"]; ok != (tt.err != nil) {
			t.Errorf("error = %v, want %v", line["error"], tt.err)
		}
	}
}

package lambdahttp

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

// An invocation that is not an HTTP request is logged as one line, like a
// request.
func TestAnInvocationIsLoggedAsOneLine(t *testing.T) {
	for _, tt := range []struct {
		err     error
		outcome string
	}{{nil, "ok"}, {errors.New("the pool is on fire"), "failed"}} {
		var log bytes.Buffer
		ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "invocation-1"})
		ctx, end := BeginInvocation(ctx, slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelError})), "swept")
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

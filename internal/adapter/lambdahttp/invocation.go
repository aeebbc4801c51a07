package lambdahttp

import (
	"context"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

// BeginInvocation begins the activity of an invocation that is not an HTTP
// request. Calls and attributes that use the returned context are recorded in
// it. end logs them in one line with the outcome of err and with attrs, as the
// router does for a request.
func BeginInvocation(ctx context.Context, log *slog.Logger, msg string) (_ context.Context, end func(err error, attrs ...slog.Attr)) {
	start, id := time.Now(), ""
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		id = lc.AwsRequestID
	}
	ctx, activity := telemetry.Begin(ctx, id)
	return ctx, func(err error, attrs ...slog.Attr) {
		outcome := "ok"
		if err != nil {
			outcome = "failed"
			attrs = append(attrs, slog.String("error", err.Error()))
		}
		telemetry.SetAttr(ctx, telemetry.Outcome, outcome)
		activity.Log(ctx, log, msg, append(attrs, slog.Float64("ms", float64(time.Since(start).Microseconds())/1000))...)
	}
}

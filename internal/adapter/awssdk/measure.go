package awssdk

import (
	"context"
	"maps"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go/middleware"

	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

// measure has every attempt at a call of AWS recorded in the activity that it
// belongs to.
func measure(stack *middleware.Stack) error {
	return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("Measure", measured), "Retry", middleware.After)
}

func measured(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
	start := time.Now()
	out, metadata, err := next.HandleFinalize(ctx, in)
	throttled := err != nil && throttles.IsErrorThrottle(err).Bool()
	telemetry.Called(ctx, serviceOf(awsmiddleware.GetServiceID(ctx)), time.Since(start), throttled)
	return out, metadata, err
}

// throttles are the errors that say that there were too many calls. Cognito's
// LimitExceededException is of a pool that is full.
var throttles = func() retry.ThrottleErrorCode {
	codes := maps.Clone(retry.DefaultThrottleErrorCodes)
	delete(codes, "LimitExceededException")
	return retry.ThrottleErrorCode{Codes: codes}
}()

// serviceOf knows the service ids of the SDK's clients.
func serviceOf(id string) telemetry.Service {
	switch id {
	case "Cognito Identity Provider":
		return telemetry.Cognito
	case "DynamoDB":
		return telemetry.DynamoDB
	}
	return telemetry.Other
}

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

// measure adds a middleware that records every attempt of a call to AWS in the
// activity of the request. It is inserted after Retry, so it sees each attempt.
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

// throttles are the error codes that mean too many calls.
// LimitExceededException is not one of them, although the SDK treats it as one:
// Cognito returns it if the user pool is full.
var throttles = func() retry.ThrottleErrorCode {
	codes := maps.Clone(retry.DefaultThrottleErrorCodes)
	delete(codes, "LimitExceededException")
	return retry.ThrottleErrorCode{Codes: codes}
}()

// serviceOf returns the service that has this service id in the SDK.
func serviceOf(id string) telemetry.Service {
	switch id {
	case "Cognito Identity Provider":
		return telemetry.Cognito
	case "DynamoDB":
		return telemetry.DynamoDB
	}
	return telemetry.Other
}

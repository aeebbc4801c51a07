package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/smithy-go"
)

// stackOutput is the output of the broker's templates that has the environment
// for dcrctl, in the format of --env-file.
const stackOutput = "OperatorEnvironment"

// stackError means that a stack does not have the environment.
type stackError struct{ text string }

func (e *stackError) Error() string { return e.text }

// withStack returns a getenv that falls back to the variables in the output of
// the stack.
func (op *operator) withStack(ctx context.Context, name string) (func(string) string, error) {
	sdk, err := op.sdk(ctx, op.getenv("AWS_REGION"))
	if err != nil {
		return nil, err
	}
	if sdk.Region == "" {
		return nil, &environmentError{&stackError{"the region of the stack is not known: set AWS_REGION, or a region in your AWS profile"}}
	}
	stack, err := describeStack(ctx, sdk, name)
	if err != nil {
		return nil, err
	}
	body := outputOf(stack)
	if strings.HasSuffix(string(stack.StackStatus), "_IN_PROGRESS") {
		if body == "" {
			return nil, &environmentError{&stackError{fmt.Sprintf("stack %s is %s and has no outputs yet: wait until it is complete", name, stack.StackStatus)}}
		}
		op.infof("stack %s is %s: its settings may change", name, stack.StackStatus)
	}
	if body == "" {
		return nil, &environmentError{&stackError{fmt.Sprintf("stack %s in %s (%s) has no output %s, so it is not a broker's, or was deployed before the template had it. Its outputs: %s",
			name, sdk.Region, stack.StackStatus, stackOutput, shortList(outputNames(stack)))}}
	}
	vars, err := parseEnv([]byte(body))
	if err != nil {
		return nil, &environmentError{&stackError{fmt.Sprintf("output %s of stack %s: %v", stackOutput, name, err)}}
	}
	if vars["AWS_REGION"] == "" {
		vars["AWS_REGION"] = sdk.Region
	}
	if os.Getenv("AWS_REGION") == "" {
		os.Setenv("AWS_REGION", vars["AWS_REGION"]) // the SDK reads it from the environment of the process
	}
	getenv := op.getenv
	return func(name string) string {
		if v := getenv(name); v != "" {
			return v
		}
		return vars[name]
	}, nil
}

// describeStack returns the stack with this name. Its errors say what to do.
func describeStack(ctx context.Context, sdk aws.Config, name string) (*types.Stack, error) {
	// AWS_ENDPOINT_URL_CLOUDFORMATION names another endpoint.
	out, err := cloudformation.NewFromConfig(sdk).DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &name})
	if err == nil && len(out.Stacks) == 1 {
		return &out.Stacks[0], nil
	}
	api, answered := errors.AsType[smithy.APIError](err)
	switch {
	case err == nil || answered && api.ErrorCode() == "ValidationError" && strings.Contains(api.ErrorMessage(), "does not exist"):
		return nil, &environmentError{&stackError{fmt.Sprintf("there is no stack %s in %s, in this account", name, sdk.Region)}}
	case answered && slices.Contains([]string{"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}, api.ErrorCode()):
		return nil, &environmentError{&stackError{fmt.Sprintf("your credentials do not allow cloudformation:DescribeStacks on stack %s in %s: allow it, or use --env-file", name, sdk.Region)}}
	}
	return nil, fmt.Errorf("read stack %s: %w", name, err)
}

func outputOf(stack *types.Stack) string {
	for _, o := range stack.Outputs {
		if aws.ToString(o.OutputKey) == stackOutput {
			return aws.ToString(o.OutputValue)
		}
	}
	return ""
}

func outputNames(stack *types.Stack) []string {
	names := []string{}
	for _, o := range stack.Outputs {
		names = append(names, aws.ToString(o.OutputKey))
	}
	if len(names) == 0 {
		return []string{"none"}
	}
	return names
}

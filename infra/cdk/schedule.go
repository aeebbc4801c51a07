package dcrbroker

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
)

// addDeadLetters creates the queue for events that did not reach the janitor
// and runs that failed. docs/adr/0013-function-settings.md says what operators
// do with it.
func (b *Broker) addDeadLetters() {
	b.deadLetters = awssqs.NewCfnQueue(b.Construct, jsii.String("JanitorDeadLetters"), &awssqs.CfnQueueProps{
		MessageRetentionPeriod: jsii.Number(14 * 24 * 60 * 60), SqsManagedSseEnabled: jsii.Bool(true),
	})
	suppressNag(b.deadLetters, "SQS3", "It is a dead-letter queue itself.")
}

// addSchedule creates the schedule of the janitor. A start that fails is
// retried for half an hour. A run that fails is not retried, because the next
// run does its work.
func (b *Broker) addSchedule(p *Props) {
	schedule := "rate(1 hour)"
	if p.JanitorSchedule != nil {
		schedule = *p.JanitorSchedule.ExpressionString()
	}
	const halfAnHour = 30 * 60
	queue := b.deadLetters.AttrArn()
	rule := awsevents.NewCfnRule(b.Construct, jsii.String("JanitorRule"), &awsevents.CfnRuleProps{
		Description:        jsii.String("Starts the janitor of dcr-broker."),
		ScheduleExpression: &schedule,
		Targets: []awsevents.CfnRule_TargetProperty{{
			Id:  jsii.String("janitor"),
			Arn: b.Functions.Janitor.FunctionArn(),
			RetryPolicy: awsevents.CfnRule_RetryPolicyProperty{
				MaximumRetryAttempts: jsii.Number(5), MaximumEventAgeInSeconds: jsii.Number(halfAnHour),
			},
			DeadLetterConfig: awsevents.CfnRule_DeadLetterConfigProperty{Arn: queue},
		}},
	})
	awslambda.NewCfnPermission(b.Construct, jsii.String("JanitorSchedulePermission"), &awslambda.CfnPermissionProps{
		Action:       jsii.String("lambda:InvokeFunction"),
		FunctionName: b.Functions.Janitor.FunctionName(),
		Principal:    jsii.String("events.amazonaws.com"),
		SourceArn:    rule.AttrArn(),
	})
	awslambda.NewCfnEventInvokeConfig(b.Construct, jsii.String("JanitorInvokeConfig"), &awslambda.CfnEventInvokeConfigProps{
		FunctionName: b.Functions.Janitor.FunctionName(), Qualifier: jsii.String("$LATEST"),
		MaximumRetryAttempts: jsii.Number(0), MaximumEventAgeInSeconds: jsii.Number(halfAnHour),
		DestinationConfig: awslambda.CfnEventInvokeConfig_DestinationConfigProperty{
			OnFailure: awslambda.CfnEventInvokeConfig_OnFailureProperty{Destination: queue},
		},
	})
	awssqs.NewCfnQueuePolicy(b.Construct, jsii.String("JanitorDeadLettersPolicy"), &awssqs.CfnQueuePolicyProps{
		Queues: &[]*string{b.deadLetters.Ref()},
		PolicyDocument: map[string]any{
			"Version": "2012-10-17",
			"Statement": []any{
				map[string]any{
					"Effect": "Allow", "Action": "sqs:SendMessage", "Principal": map[string]any{"Service": "events.amazonaws.com"}, "Resource": queue,
					"Condition": map[string]any{"ArnEquals": map[string]any{"aws:SourceArn": rule.AttrArn()}},
				},
				map[string]any{
					"Effect": "Deny", "Action": "sqs:*", "Principal": "*", "Resource": queue,
					"Condition": map[string]any{"Bool": map[string]any{"aws:SecureTransport": "false"}},
				},
			},
		},
	})
}

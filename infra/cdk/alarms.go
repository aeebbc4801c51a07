package dcrbroker

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/jsii-runtime-go"

	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

// dimension is a dimension of a metric.
type dimension struct {
	name  string
	value *string
}

func dimensions(ds []dimension) []*awscloudwatch.CfnAlarm_DimensionProperty {
	var all []*awscloudwatch.CfnAlarm_DimensionProperty
	for _, d := range ds {
		all = append(all, &awscloudwatch.CfnAlarm_DimensionProperty{Name: &d.name, Value: d.value})
	}
	return all
}

// addAlarms creates the alarms, which notify p.AlarmTopic.
func (b *Broker) addAlarms(p *Props) {
	b.alarm(p, "ApiAlarm", "The API of dcr-broker answered 5xx. The access log names route and request, the log of its function why.", &awscloudwatch.CfnAlarmProps{
		Namespace: jsii.String("AWS/ApiGateway"), MetricName: jsii.String("5xx"), Dimensions: dimensions([]dimension{{"ApiId", b.apiID}}),
		Statistic: jsii.String("Sum"), Period: jsii.Number(300), Threshold: jsii.Number(5),
	})
	for _, f := range b.modeFunctions() {
		of := []dimension{{"FunctionName", b.functions[f].FunctionName()}}
		what := "Its log says why it failed; for throttles see what the account has of concurrency."
		if f == janitor {
			what = "Its log and the messages in its dead-letter queue say why; the next run goes on."
		}
		b.alarm(p, settingsOf[f].id+"Alarm", "The function "+string(f)+" of dcr-broker failed or was throttled. "+what, &awscloudwatch.CfnAlarmProps{
			Metrics: []*awscloudwatch.CfnAlarm_MetricDataQueryProperty{
				{Id: jsii.String("all"), Expression: jsii.String("FILL(errors, 0) + FILL(throttles, 0)"), Label: jsii.String("errors and throttles")},
				sum("errors", "AWS/Lambda", "Errors", of...),
				sum("throttles", "AWS/Lambda", "Throttles", of...),
			},
		})
	}
	b.addTableAlarm(p)
	b.addOwnAlarms(p)
}

// addOwnAlarms creates the alarms on the broker's own metrics and on the
// janitor's dead letters.
func (b *Broker) addOwnAlarms(p *Props) {
	const minutes, hour = 300, 3600
	own := func(id, description string, m *telemetry.Metric, statistic string, period float64, a *awscloudwatch.CfnAlarmProps) {
		a.Namespace, a.MetricName, a.Dimensions = jsii.String(telemetry.Namespace), &m.Name, dimensions([]dimension{{telemetry.Issuer, b.host()}})
		a.Statistic, a.Period = &statistic, &period
		b.alarm(p, id, description, a)
	}
	own("JanitorRunsAlarm", "No run of the janitor of dcr-broker came to its end for three hours. See whether it is started, and in its log where it stops.",
		telemetry.JanitorRuns, "Sum", hour, &awscloudwatch.CfnAlarmProps{
			EvaluationPeriods: jsii.Number(3), ComparisonOperator: jsii.String("LessThanThreshold"), TreatMissingData: jsii.String("breaching"),
		})
	own("JanitorStoppedAlarm", "The janitor of dcr-broker stopped because the table or the pool may not be those of this deployment. Find out which, before dcrctl sweep --accept-table or --accept-many.",
		telemetry.JanitorStopped, "Sum", hour, &awscloudwatch.CfnAlarmProps{})
	lasting := func() *awscloudwatch.CfnAlarmProps {
		return &awscloudwatch.CfnAlarmProps{EvaluationPeriods: jsii.Number(4), DatapointsToAlarm: jsii.Number(3)}
	}
	own("JanitorFailuresAlarm", "The janitor of dcr-broker has failed with records for hours. Its log names them.",
		telemetry.JanitorFailures, "Maximum", hour, lasting())
	own("JanitorBacklogAlarm", "The janitor of dcr-broker has not got to all that was due for hours. Run dcrctl sweep beside it, and see whether Cognito throttles.",
		telemetry.JanitorBacklog, "Maximum", hour, lasting())
	b.alarm(p, "JanitorDeadLettersAlarm", "A run of the janitor of dcr-broker was not started or failed. Read the message, mend what it names, and delete it; the next run makes up for it.",
		&awscloudwatch.CfnAlarmProps{
			Namespace: jsii.String("AWS/SQS"), MetricName: jsii.String("ApproximateNumberOfMessagesVisible"),
			Dimensions: dimensions([]dimension{{"QueueName", b.deadLetters.AttrQueueName()}}), Statistic: jsii.String("Maximum"), Period: jsii.Number(minutes),
		})
	own("AppClientsAlarm", "The user pool has more than 80 percent of the app clients that it can have. Shorten lifetimes, share app clients, or have the quota raised and AppClientQuota with it.",
		telemetry.AppClientQuota, "Maximum", hour, &awscloudwatch.CfnAlarmProps{ComparisonOperator: jsii.String("GreaterThanThreshold"), Threshold: jsii.Number(80)})
	own("CognitoAlarm", "Cognito has refused calls of dcr-broker for their number for a quarter of an hour. See what else calls its API, or have the rate raised.",
		telemetry.CognitoThrottles, "Sum", minutes, &awscloudwatch.CfnAlarmProps{EvaluationPeriods: jsii.Number(3)})
	own("RegistrationsLimitedAlarm", "dcr-broker refused registrations because the limit of the hour is used up, for a redirect rule or for one network address.",
		telemetry.Limited, "Sum", minutes, &awscloudwatch.CfnAlarmProps{})
	if b.brokered() {
		own("BrandingAlarm", "A sign-in with dcr-broker found no branding style left in the user pool. Let profiles share app clients, or remove styles of others.",
			telemetry.StylesUsedUp, "Sum", minutes, &awscloudwatch.CfnAlarmProps{})
	}
}

// host returns the host of the issuer, the dimension that distinguishes the
// metrics of deployments.
func (b *Broker) host() *string {
	if host, ok := strings.CutPrefix(b.Issuer, "https://"); ok {
		return &host
	}
	return awscdk.Fn_Select(jsii.Number(1), awscdk.Fn_Split(jsii.String("://"), &b.Issuer, nil)) // a token
}

// addTableAlarm creates the alarm on the table. It sums metrics that DynamoDB
// has for each operation.
func (b *Broker) addTableAlarm(p *Props) {
	table := dimension{"TableName", b.Table.TableName()}
	metrics := []*awscloudwatch.CfnAlarm_MetricDataQueryProperty{
		{Id: jsii.String("all"), Expression: jsii.String("SUM(METRICS())"), Label: jsii.String("system errors and throttles")},
	}
	for _, operation := range []string{"GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query"} {
		metrics = append(metrics, sum("errors"+operation, "AWS/DynamoDB", "SystemErrors", table, dimension{"Operation", &operation}))
	}
	metrics = append(metrics,
		sum("readThrottleEvents", "AWS/DynamoDB", "ReadThrottleEvents", table),
		sum("writeThrottleEvents", "AWS/DynamoDB", "WriteThrottleEvents", table),
	)
	b.alarm(p, "TableAlarm", "DynamoDB failed or throttled requests of dcr-broker. If it lasts, look at AWS's health page and at the table's capacity.", &awscloudwatch.CfnAlarmProps{Metrics: metrics})
}

// sum returns a metric for the expression of an alarm.
func sum(id, namespace, name string, ds ...dimension) *awscloudwatch.CfnAlarm_MetricDataQueryProperty {
	return &awscloudwatch.CfnAlarm_MetricDataQueryProperty{
		Id: &id, ReturnData: jsii.Bool(false),
		MetricStat: &awscloudwatch.CfnAlarm_MetricStatProperty{
			Metric: &awscloudwatch.CfnAlarm_MetricProperty{Namespace: &namespace, MetricName: &name, Dimensions: dimensions(ds)},
			Period: jsii.Number(300), Stat: jsii.String("Sum"),
		},
	}
}

// alarm creates an alarm with defaults: one event in one period raises it, and
// missing data does not.
func (b *Broker) alarm(p *Props, id, description string, a *awscloudwatch.CfnAlarmProps) {
	a.AlarmDescription = jsii.String(description + " See docs/operations.md, Alarms.")
	if a.EvaluationPeriods == nil {
		a.EvaluationPeriods = jsii.Number(1)
	}
	if a.Threshold == nil {
		a.Threshold = jsii.Number(1)
	}
	if a.ComparisonOperator == nil {
		a.ComparisonOperator = jsii.String("GreaterThanOrEqualToThreshold")
	}
	if a.TreatMissingData == nil {
		a.TreatMissingData = jsii.String("notBreaching")
	}
	if p.AlarmTopic != nil {
		a.AlarmActions = &[]any{p.AlarmTopic.TopicArn()}
	}
	awscloudwatch.NewCfnAlarm(b.Construct, &id, a)
}

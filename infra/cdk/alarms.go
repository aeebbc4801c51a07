package dcrbroker

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/jsii-runtime-go"
)

// dimension is one of a metric: name and value.
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

// addAlarms makes the alarms, which tell p.AlarmTopic.
func (b *Broker) addAlarms(p *Props) {
	b.alarm(p, "ApiAlarm", "The API of dcr-broker answered 5xx.", &awscloudwatch.CfnAlarmProps{
		Namespace: jsii.String("AWS/ApiGateway"), MetricName: jsii.String("5xx"), Dimensions: dimensions([]dimension{{"ApiId", b.apiID}}),
		Statistic: jsii.String("Sum"), Period: jsii.Number(300), Threshold: jsii.Number(5),
	})
	for _, f := range b.present() {
		of := []dimension{{"FunctionName", b.functions[f].FunctionName()}}
		b.alarm(p, settingsOf[f].id+"Alarm", "The function "+string(f)+" of dcr-broker failed or was throttled.", &awscloudwatch.CfnAlarmProps{
			Metrics: []*awscloudwatch.CfnAlarm_MetricDataQueryProperty{
				{Id: jsii.String("all"), Expression: jsii.String("FILL(errors, 0) + FILL(throttles, 0)"), Label: jsii.String("errors and throttles")},
				sum("errors", "AWS/Lambda", "Errors", of...),
				sum("throttles", "AWS/Lambda", "Throttles", of...),
			},
		})
	}
	b.alarm(p, "JanitorRunsAlarm", "The janitor of dcr-broker has not run for an hour.", &awscloudwatch.CfnAlarmProps{
		Namespace: jsii.String("AWS/Lambda"), MetricName: jsii.String("Invocations"), Dimensions: dimensions([]dimension{{"FunctionName", b.Functions.Janitor.FunctionName()}}),
		Statistic: jsii.String("Sum"), Period: jsii.Number(3600),
		ComparisonOperator: jsii.String("LessThanThreshold"), TreatMissingData: jsii.String("breaching"),
	})
	b.addTableAlarm(p)
	if b.brokered() {
		// The metric has no dimensions: it is that of all deployments in the region.
		b.alarm(p, "BrandingAlarm", "A sign-in of dcr-broker found no branding style left in the user pool (docs/operations.md).", &awscloudwatch.CfnAlarmProps{
			Namespace: jsii.String("dcr-broker"), MetricName: jsii.String("branding_styles_used_up"), Statistic: jsii.String("Sum"), Period: jsii.Number(300),
		})
	}
}

// addTableAlarm adds up what DynamoDB counts apart for each operation.
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
	b.alarm(p, "TableAlarm", "DynamoDB failed or throttled requests of dcr-broker.", &awscloudwatch.CfnAlarmProps{Metrics: metrics})
}

// sum is a metric of which an alarm's expression is made.
func sum(id, namespace, name string, ds ...dimension) *awscloudwatch.CfnAlarm_MetricDataQueryProperty {
	return &awscloudwatch.CfnAlarm_MetricDataQueryProperty{
		Id: &id, ReturnData: jsii.Bool(false),
		MetricStat: &awscloudwatch.CfnAlarm_MetricStatProperty{
			Metric: &awscloudwatch.CfnAlarm_MetricProperty{Namespace: &namespace, MetricName: &name, Dimensions: dimensions(ds)},
			Period: jsii.Number(300), Stat: jsii.String("Sum"),
		},
	}
}

// alarm fills in what most alarms have: one is enough, and silence is good.
func (b *Broker) alarm(p *Props, id, description string, a *awscloudwatch.CfnAlarmProps) {
	a.AlarmDescription = &description
	a.EvaluationPeriods = jsii.Number(1)
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

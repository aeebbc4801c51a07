package dcrbroker

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/jsii-runtime-go"

	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

// widget is a graph of the dashboard.
type widget struct {
	Type          string `json:"type"`
	X             int    `json:"x"`
	Y             int    `json:"y"`
	Width         int    `json:"width"`
	Height        int    `json:"height"`
	Configuration graph  `json:"properties"`
}

type graph struct {
	Title   string  `json:"title"`
	Region  string  `json:"region"`
	View    string  `json:"view"`
	Period  int     `json:"period"`
	Metrics [][]any `json:"metrics"`
}

// hourly is the period of the janitor's metrics, in seconds.
const hourly = 3600

// addDashboard creates a dashboard with metrics of API Gateway, Lambda,
// DynamoDB and the broker.
func (b *Broker) addDashboard() {
	api, table := *b.apiID, *b.Table.TableName()
	stat := func(s string) map[string]string { return map[string]string{"stat": s} }
	ofApi := func(name, s string) []any { return []any{"AWS/ApiGateway", name, "ApiId", api, stat(s)} }
	ofTable := func(name string) []any { return []any{"AWS/DynamoDB", name, "TableName", table, stat("Sum")} }
	ofFunctions := func(name, s string) [][]any {
		var all [][]any
		for _, f := range []function{register, metadata, token, janitor, authorize, provision} {
			if fn := b.functions[f]; fn != nil {
				all = append(all, []any{"AWS/Lambda", name, "FunctionName", *fn.FunctionName(), map[string]string{"label": string(f), "stat": s}})
			}
		}
		return all
	}
	host := *b.host()
	ours := func(m *telemetry.Metric, s string) []any {
		return []any{telemetry.Namespace, m.Name, telemetry.Issuer, host, stat(s)}
	}
	// all finds a metric with all values of its other dimensions.
	all := func(m *telemetry.Metric) []any {
		schema := `"` + strings.Join(append([]string{telemetry.Namespace, telemetry.Issuer}, m.Dimensions...), `","`) + `"`
		return []any{map[string]string{"expression": fmt.Sprintf(`SEARCH('{%s} issuer="%s" MetricName="%s"', 'Sum')`, schema, host, m.Name)}}
	}
	graphs := []graph{
		{Title: "API: requests and faults", Metrics: [][]any{ofApi("Count", "Sum"), ofApi("4xx", "Sum"), ofApi("5xx", "Sum")}},
		{Title: "API: latency, ms", Metrics: [][]any{ofApi("Latency", "p50"), ofApi("Latency", "p99"), ofApi("IntegrationLatency", "p99")}},
		{Title: "Functions: errors", Metrics: ofFunctions("Errors", "Sum")},
		{Title: "Functions: throttles", Metrics: ofFunctions("Throttles", "Sum")},
		{Title: "Functions: duration, ms, p99", Metrics: ofFunctions("Duration", "p99")},
		{Title: "Functions: processes at a time", Metrics: ofFunctions("ConcurrentExecutions", "Maximum")},
		{Title: "Table: capacity and throttles", Metrics: [][]any{
			ofTable("ConsumedReadCapacityUnits"), ofTable("ConsumedWriteCapacityUnits"), ofTable("ReadThrottleEvents"), ofTable("WriteThrottleEvents"),
		}},
		{Title: "Registrations by profile and outcome", Metrics: [][]any{all(telemetry.Registrations), all(telemetry.DedupeHits)}},
		{Title: "Tokens by grant and outcome", Metrics: [][]any{all(telemetry.Tokens)}},
		{Title: "Consents", Metrics: [][]any{all(telemetry.Consents)}},
		{Title: "Calls of AWS and Cognito: latency, ms, p99", Metrics: [][]any{
			ours(telemetry.CognitoLatency, "p99"), ours(telemetry.CognitoOAuthTime, "p99"), ours(telemetry.DynamoDBLatency, "p99"),
		}},
		{Title: "Calls refused or held back for their number", Metrics: [][]any{
			ours(telemetry.Limited, "Sum"), ours(telemetry.CognitoThrottles, "Sum"), ours(telemetry.CognitoHeldBack, "Sum"), ours(telemetry.DynamoThrottles, "Sum"),
		}},
		{Title: "App clients", Period: hourly, Metrics: [][]any{
			ours(telemetry.AppClientsHeld, "Maximum"), ours(telemetry.AppClientsMade, "Sum"), ours(telemetry.AppClientsGone, "Sum"),
		}},
		{Title: "App clients against the quota, percent", Period: hourly, Metrics: [][]any{ours(telemetry.AppClientQuota, "Maximum")}},
		{Title: "Branding styles", Period: hourly, Metrics: [][]any{ours(telemetry.StylesLeft, "Minimum"), ours(telemetry.StylesUsedUp, "Sum")}},
		{Title: "Janitor", Period: hourly, Metrics: [][]any{
			ours(telemetry.JanitorRuns, "Sum"), ours(telemetry.JanitorStopped, "Sum"), ours(telemetry.JanitorFailures, "Maximum"), ours(telemetry.JanitorBacklog, "Maximum"),
			{"AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", *b.deadLetters.AttrQueueName(), stat("Maximum")},
		}},
	}
	var widgets []widget
	for i, g := range graphs {
		g.Region, g.View, g.Period = *b.stack.Region(), "timeSeries", cmp.Or(g.Period, 300)
		widgets = append(widgets, widget{"metric", 12 * (i % 2), 6 * (i / 2), 12, 6, g})
	}
	body, err := json.Marshal(map[string]any{"widgets": widgets})
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	awscloudwatch.NewCfnDashboard(b.Construct, jsii.String("Dashboard"), &awscloudwatch.CfnDashboardProps{DashboardBody: jsii.String(string(body))})
}

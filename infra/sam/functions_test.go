package sam

import (
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/test/cfn"
	"github.com/dcr-broker/dcr-broker/test/must"
)

var settings = regexp.MustCompile(`(?m)^\| ([a-z]+) \| (\d+) \| (\d+) \|$`)

// The reasons are in docs/adr/0013-function-settings.md.
func TestFunctionSettingsMatchTheADR(t *testing.T) {
	adr := must.ReadFile(t, "../../docs/adr/0013-function-settings.md")
	want := make(map[string]string)
	for _, m := range settings.FindAllStringSubmatch(string(adr), -1) {
		want[m[1]] = fmt.Sprintf("%s MB, %s s", m[2], m[3])
	}
	each(t, func(t *testing.T, s set, template *cfn.Template) {
		if n := len(template.Of("AWS::Lambda::Function")); n != len(s.functions()) {
			t.Errorf("%d functions, want %d", n, len(s.functions()))
		}
		for name, id := range s.functions() {
			f := template.Resources[id]
			if got := fmt.Sprintf("%s MB, %s s", f.Text("MemorySize"), f.Text("Timeout")); got != want[name] {
				t.Errorf("%s has %s, want %s as in the ADR", name, got, want[name])
			}
			architecture := "arm64"
			if a := s.parameters["Architecture"]; a != "" {
				architecture = a
			}
			if got := f.Text("Architectures"); got != `["`+architecture+`"]` || f.Text("Runtime") != "provided.al2023" || f.Text("Handler") != "bootstrap" {
				t.Errorf("%s is for %s, %s, %s", name, got, f.Text("Runtime"), f.Text("Handler"))
			}
			logs := template.Resources[title(name)+"Logs"]
			retention := "30"
			if r := s.parameters["LogRetention"]; r != "" {
				retention = r
			}
			if f.Text("LoggingConfig") != `{"LogGroup":"${`+title(name)+`Logs}"}` || logs == nil || logs.Text("RetentionInDays") != retention {
				t.Errorf("%s logs to %s (%v), want a group of its own, kept for %s days, as plain text", name, f.Text("LoggingConfig"), logs, retention)
			}
			tracing := `{"Mode":"PassThrough"}`
			if s.traced() {
				tracing = `{"Mode":"Active"}`
			}
			if got := f.Text("TracingConfig"); got != tracing {
				t.Errorf("%s is traced as %s, want %s", name, got, tracing)
			}
			reserved := s.parameters["ReservedConcurrency"]
			if name == "provision" || name == "janitor" {
				reserved = ""
			}
			if got := f.Text("ReservedConcurrentExecutions"); got != reserved {
				t.Errorf("%s has %q reserved, want %q", name, got, reserved)
			}
		}
	})
}

// API Gateway ends a request after 30 s. The functions must end earlier.
func TestFunctionsEndBeforeTheAPITimesOut(t *testing.T) {
	each(t, func(t *testing.T, s set, template *cfn.Template) {
		routes, err := template.Routes()
		if err != nil {
			t.Fatal(err)
		}
		for key, id := range routes {
			if timeout, err := strconv.Atoi(template.Resources[id].Text("Timeout")); err != nil || timeout >= 30 {
				t.Errorf("%s of %s has %d s (%v), want less than 30", id, key, timeout, err)
			}
		}
		for _, i := range template.Of("AWS::ApiGatewayV2::Integration") {
			if ms := i.Text("TimeoutInMillis"); ms != "" {
				t.Errorf("%s times out after %s ms, want API Gateway's default of 30 s", i.ID, ms)
			}
		}
	})
}

func TestJanitorRunsAndDoesNotPileUp(t *testing.T) {
	each(t, func(t *testing.T, s set, template *cfn.Template) {
		schedule := "rate(1 hour)"
		if p := s.parameters["JanitorSchedule"]; p != "" {
			schedule = p
		}
		rule, invoke := one(t, template, "AWS::Events::Rule"), one(t, template, "AWS::Lambda::EventInvokeConfig")
		targets, _ := rule.Get("Targets").([]any)
		if rule.Text("ScheduleExpression") != schedule || rule.Get("State") != nil || len(targets) != 1 {
			t.Fatalf("the schedule is %v", rule.Properties)
		}
		target, _ := targets[0].(map[string]any)
		retry, _ := target["RetryPolicy"].(map[string]any)
		age, err := strconv.Atoi(fmt.Sprint(retry["MaximumEventAgeInSeconds"]))
		if target["Arn"] != "${JanitorFunction.Arn}" || err != nil || age >= 3600 {
			t.Errorf("the schedule starts %v (%v), want the janitor, with retries that end before the next start", target, err)
		}
		age, err = strconv.Atoi(invoke.Text("MaximumEventAgeInSeconds"))
		if invoke.Text("FunctionName") != "${JanitorFunction}" || invoke.Text("MaximumRetryAttempts") != "0" || err != nil || age >= 3600 {
			t.Errorf("EventInvokeConfig = %v (%v), want no retries and a maximum age under an hour", invoke.Properties, err)
		}
	})
}

// Events that did not reach the janitor and runs that failed are stored for
// operators, encrypted, for the maximum retention time of a queue.
func TestFailedRunsOfTheJanitorAreStored(t *testing.T) {
	each(t, func(t *testing.T, s set, template *cfn.Template) {
		const arn = "${JanitorDeadLetters.Arn}"
		queue, policy := one(t, template, "AWS::SQS::Queue"), one(t, template, "AWS::SQS::QueuePolicy")
		if queue.ID != "JanitorDeadLetters" || queue.Text("MessageRetentionPeriod") != "1209600" || queue.Text("SqsManagedSseEnabled") != "true" {
			t.Errorf("the queue is %s, %v", queue.ID, queue.Properties)
		}
		if got := one(t, template, "AWS::Lambda::EventInvokeConfig").Text("DestinationConfig", "OnFailure", "Destination"); got != arn {
			t.Errorf("failed runs go to %q", got)
		}
		targets, _ := one(t, template, "AWS::Events::Rule").Get("Targets").([]any)
		if got := targets[0].(map[string]any)["DeadLetterConfig"]; fmt.Sprint(got) != "map[Arn:"+arn+"]" {
			t.Errorf("failed starts go to %v", got)
		}
		// Only the rule may send messages, and reading takes a permission in IAM.
		want := `[{"Action":"sqs:SendMessage","Condition":{"ArnEquals":{"aws:SourceArn":"${JanitorRule.Arn}"}},"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Resource":"` + arn + `"},` +
			`{"Action":"sqs:*","Condition":{"Bool":{"aws:SecureTransport":"false"}},"Effect":"Deny","Principal":"*","Resource":"` + arn + `"}]`
		if got := policy.Text("PolicyDocument", "Statement"); got != want || policy.Text("Queues") != `["${JanitorDeadLetters}"]` {
			t.Errorf("the policy of %s is %s, want %s", policy.Text("Queues"), got, want)
		}
	})
}

// metricsThatExist are the metrics of AWS that the template uses, with their
// dimensions, as documented by AWS.
var metricsThatExist = map[string]string{
	"AWS/ApiGateway Count": "ApiId", "AWS/ApiGateway 4xx": "ApiId", "AWS/ApiGateway 5xx": "ApiId",
	"AWS/ApiGateway Latency": "ApiId", "AWS/ApiGateway IntegrationLatency": "ApiId",
	"AWS/Lambda Errors": "FunctionName", "AWS/Lambda Throttles": "FunctionName", "AWS/Lambda Invocations": "FunctionName",
	"AWS/Lambda Duration": "FunctionName", "AWS/Lambda ConcurrentExecutions": "FunctionName",
	"AWS/DynamoDB SystemErrors":       "TableName Operation",
	"AWS/DynamoDB ReadThrottleEvents": "TableName", "AWS/DynamoDB WriteThrottleEvents": "TableName",
	"AWS/DynamoDB ConsumedReadCapacityUnits": "TableName", "AWS/DynamoDB ConsumedWriteCapacityUnits": "TableName",
	"AWS/SQS ApproximateNumberOfMessagesVisible": "QueueName",
}

// knownMetrics returns metricsThatExist and the broker's own metrics.
func knownMetrics() map[string]string {
	all := maps.Clone(metricsThatExist)
	for _, m := range telemetry.All {
		all[telemetry.Namespace+" "+m.Name] = strings.Join(append([]string{telemetry.Issuer}, m.Dimensions...), " ")
	}
	return all
}

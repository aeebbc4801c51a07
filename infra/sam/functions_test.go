package sam

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/cfn"
)

var settings = regexp.MustCompile(`(?m)^\| ([a-z]+) \| (\d+) \| (\d+) \|$`)

// The reasons are in docs/adr/0013-function-settings.md.
func TestFunctionSettingsAreThoseWithReasons(t *testing.T) {
	adr, err := os.ReadFile("../../docs/adr/0013-function-settings.md")
	if err != nil {
		t.Fatal(err)
	}
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
				t.Errorf("%s has %s, the ADR says %s", name, got, want[name])
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

// API Gateway ends a request after 30 s, and nothing must still be at work then.
func TestFunctionsEndBeforeTheAPIGivesUp(t *testing.T) {
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
				t.Errorf("%s gives up after %s ms, want API Gateway's 30 s", i.ID, ms)
			}
		}
	})
}

func TestJanitorRunsAndDoesNotPileUp(t *testing.T) {
	each(t, func(t *testing.T, s set, template *cfn.Template) {
		schedule := "rate(5 minutes)"
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
		if target["Arn"] != "${JanitorFunction.Arn}" || retry["MaximumRetryAttempts"] != "0" {
			t.Errorf("the schedule starts %v", target)
		}
		if invoke.Text("FunctionName") != "${JanitorFunction}" || invoke.Text("MaximumRetryAttempts") != "0" {
			t.Errorf("failed runs are repeated: %v", invoke.Properties)
		}
	})
}

// metricsThatExist are those of AWS that are used here, as its documentation
// lists them, and their dimensions.
var metricsThatExist = map[string]string{
	"AWS/ApiGateway Count": "ApiId", "AWS/ApiGateway 4xx": "ApiId", "AWS/ApiGateway 5xx": "ApiId",
	"AWS/ApiGateway Latency": "ApiId", "AWS/ApiGateway IntegrationLatency": "ApiId",
	"AWS/Lambda Errors": "FunctionName", "AWS/Lambda Throttles": "FunctionName", "AWS/Lambda Invocations": "FunctionName",
	"AWS/Lambda Duration": "FunctionName", "AWS/Lambda ConcurrentExecutions": "FunctionName",
	"AWS/DynamoDB SystemErrors":       "TableName Operation",
	"AWS/DynamoDB ReadThrottleEvents": "TableName", "AWS/DynamoDB WriteThrottleEvents": "TableName",
	"AWS/DynamoDB ConsumedReadCapacityUnits": "TableName", "AWS/DynamoDB ConsumedWriteCapacityUnits": "TableName",
}

// ourMetrics adds those that the code counts.
func ourMetrics(t *testing.T) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for name, dimensions := range metricsThatExist {
		all[name] = dimensions
	}
	for _, dir := range []string{"../../pkg/broker", "../../internal/authorize", "../../internal/grants"} {
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
				continue
			}
			source, err := os.ReadFile(dir + "/" + f.Name())
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(`\bmetric\("(\w+)"`).FindAllStringSubmatch(string(source), -1) {
				all["dcr-broker "+m[1]] = ""
			}
		}
	}
	return all
}

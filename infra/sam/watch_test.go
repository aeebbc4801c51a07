package sam

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/test/cfn"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// metric is a metric that an alarm or the dashboard names.
type metric struct {
	name       string // with its namespace
	dimensions []string
	values     []string
}

func (m metric) check(t *testing.T, where string, exist map[string]string) {
	t.Helper()
	dimensions, ok := exist[m.name]
	if !ok || dimensions != strings.Join(m.dimensions, " ") {
		t.Errorf("%s names the unknown metric %s with the dimensions %q", where, m.name, m.dimensions)
	}
}

func metricOf(v map[string]any) metric {
	m := metric{name: v["Namespace"].(string) + " " + v["MetricName"].(string)}
	list, _ := v["Dimensions"].([]any)
	for _, d := range list {
		m.dimensions = append(m.dimensions, d.(map[string]any)["Name"].(string))
		m.values = append(m.values, d.(map[string]any)["Value"].(string))
	}
	return m
}

func TestAlarms(t *testing.T) {
	exist := knownMetrics()
	page := must.ReadFile(t, "../../docs/operations.md")
	_, documented, _ := strings.Cut(string(page), "\n### Alarms\n")
	documented, _, _ = strings.Cut(documented, "\n## ")
	each(t, func(t *testing.T, s set, template *cfn.Template) {
		watched := make(map[string]bool) // metric and its dimensions' values
		for _, a := range template.Of("AWS::CloudWatch::Alarm") {
			metrics := []map[string]any{a.Properties}
			if list, ok := a.Get("Metrics").([]any); ok {
				metrics = nil
				for _, q := range list {
					if stat, ok := q.(map[string]any)["MetricStat"].(map[string]any); ok {
						metrics = append(metrics, stat["Metric"].(map[string]any))
					}
				}
			}
			if len(metrics) == 0 || len(metrics) > 10 {
				t.Errorf("%s has %d metrics, want 1 to 10", a.ID, len(metrics))
			}
			for _, v := range metrics {
				m := metricOf(v)
				m.check(t, a.ID, exist)
				watched[m.name+" "+strings.Join(m.values, " ")] = true
			}
			want := ""
			if topic := s.parameters["AlarmTopicArn"]; topic != "" {
				want = `["` + topic + `"]`
			}
			if got := a.Text("AlarmActions"); got != want {
				t.Errorf("%s notifies %q, want %q", a.ID, got, want)
			}
			if !strings.Contains(documented, "`"+a.ID+"`") {
				t.Errorf("docs/operations.md does not have %s", a.ID)
			}
			if !strings.HasSuffix(a.Text("AlarmDescription"), ". See docs/operations.md, Alarms.") || a.Text("TreatMissingData") == "" {
				t.Errorf("%s has the description %q, want a reference to docs/operations.md and TreatMissingData", a.ID, a.Text("AlarmDescription"))
			}
		}
		want := []string{
			"AWS/ApiGateway 5xx ${Api}", "AWS/DynamoDB ReadThrottleEvents ${Table}", "AWS/DynamoDB WriteThrottleEvents ${Table}",
			"AWS/SQS ApproximateNumberOfMessagesVisible ${JanitorDeadLetters.QueueName}",
		}
		for _, op := range []string{"GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query"} {
			want = append(want, "AWS/DynamoDB SystemErrors ${Table} "+op)
		}
		for _, id := range s.functions() {
			want = append(want, "AWS/Lambda Errors ${"+id+"}", "AWS/Lambda Throttles ${"+id+"}")
		}
		ours := []*telemetry.Metric{
			telemetry.JanitorRuns, telemetry.JanitorStopped, telemetry.JanitorFailures, telemetry.JanitorBacklog, telemetry.AppClientQuota, telemetry.CognitoThrottles, telemetry.Limited,
		}
		if !s.direct {
			ours = append(ours, telemetry.StylesUsedUp)
		}
		for _, m := range ours {
			want = append(want, telemetry.Namespace+" "+m.Name+" "+s.host())
		}
		for _, w := range want {
			if !watched[w] {
				t.Errorf("no alarm watches %s", w)
			}
			delete(watched, w)
		}
		for w := range watched {
			t.Errorf("an alarm watches %s, want none", w)
		}
	})
}

// Missing data raise the alarm on runs of the janitor, and no other alarm.
func TestJanitorThatDoesNotRunIsAnAlarm(t *testing.T) {
	a := sets[0].template(t).Resources["JanitorRunsAlarm"]
	if a.Text("TreatMissingData") != "breaching" || a.Text("ComparisonOperator") != "LessThanThreshold" || a.Text("Threshold") != "1" ||
		a.Text("Period") != "3600" || a.Text("EvaluationPeriods") != "3" {
		t.Errorf("the alarm is %v", a.Properties)
	}
	for _, other := range sets[0].template(t).Of("AWS::CloudWatch::Alarm") {
		if other.ID != a.ID && other.Text("TreatMissingData") != "notBreaching" {
			t.Errorf("%s is raised by missing data", other.ID)
		}
	}
}

// search matches an expression that finds all metrics of a deployment with one
// name and any values of their other dimensions.
var search = regexp.MustCompile(`^SEARCH\('\{([\w",-]+)\} issuer="([^"]+)" MetricName="(\w+)"', '\w+'\)$`)

// shownIn returns the metric of a line of a widget.
func shownIn(t *testing.T, line []any) metric {
	t.Helper()
	if name, ok := line[0].(string); ok {
		m := metric{name: name + " " + line[1].(string)}
		for i := 2; i+1 < len(line); i += 2 {
			m.dimensions, m.values = append(m.dimensions, line[i].(string)), append(m.values, line[i+1].(string))
		}
		return m
	}
	text, _ := line[0].(map[string]any)["expression"].(string)
	found := search.FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("%v names no metric", line)
	}
	schema := strings.Split(strings.ReplaceAll(found[1], `"`, ""), ",")
	return metric{schema[0] + " " + found[3], schema[1:], []string{found[2]}}
}

func TestDashboard(t *testing.T) {
	exist := knownMetrics()
	each(t, func(t *testing.T, s set, template *cfn.Template) {
		var body struct {
			Widgets []struct {
				X, Y, Width, Height int
				Properties          struct {
					Title, Region string
					Metrics       [][]any
				}
			}
		}
		text := one(t, template, "AWS::CloudWatch::Dashboard").Text("DashboardBody")
		if err := json.Unmarshal([]byte(text), &body); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		var shown []string
		for _, w := range body.Widgets {
			if w.Properties.Region != "${AWS::Region}" || w.X+w.Width > 24 {
				t.Errorf("%s is for the region %s, at x = %d and %d wide", w.Properties.Title, w.Properties.Region, w.X, w.Width)
			}
			for _, line := range w.Properties.Metrics {
				m := shownIn(t, line)
				m.check(t, w.Properties.Title, exist)
				shown = append(shown, strings.Join(append([]string{m.name}, m.values...), " "))
			}
		}
		var want []string
		for _, id := range s.functions() {
			want = append(want, "AWS/Lambda Errors ${"+id+"}")
		}
		for _, m := range telemetry.All {
			want = append(want, telemetry.Namespace+" "+m.Name+" "+s.host())
		}
		for _, w := range want {
			if !slices.Contains(shown, w) {
				t.Errorf("%s is not shown", w)
			}
		}
	})
}

func TestOutputs(t *testing.T) {
	each(t, func(t *testing.T, s set, template *cfn.Template) {
		cloud := inTheCloud()
		issuer := "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com"
		if s.issuer != "" {
			issuer = s.issuer
		}
		env := template.Environment("JanitorFunction")
		want := map[string]string{
			"Issuer":                      issuer,
			"RegistrationEndpoint":        issuer + "/register",
			"AuthorizationServerMetadata": issuer + "/.well-known/oauth-authorization-server",
			"UserPoolId":                  cloud.Replace(s.pool),
			"TableName":                   "dcr-broker-Table-1",
			"DeploymentId":                cloud.Replace(env["DEPLOYMENT_ID"]),
			"KeysSecret":                  cloud.Replace("${Keys}"),
		}
		if s.hasEdgeSecret() {
			want["EdgeSecret"] = cloud.Replace("${EdgeSecret}")
		}
		for name, v := range want {
			if got := cloud.Replace(template.Outputs[name]); got != v {
				t.Errorf("%s is %q, want %q", name, got, v)
			}
		}
		var snippet struct {
			Resource string
			Servers  []string `json:"authorization_servers"`
			Scopes   []string `json:"scopes_supported"`
		}
		if err := json.Unmarshal([]byte(cloud.Replace(template.Outputs["ProtectedResourceSnippet"])), &snippet); err != nil {
			t.Fatal(err)
		}
		var scopes []string
		switch {
		case s.parameters["Scope1"] != "":
			scopes = []string{"mcp/" + s.parameters["Scope1"]}
		case s.pool == madePool:
			scopes = []string{"mcp/read", "mcp/write"}
		}
		if !slices.Equal(snippet.Servers, []string{issuer}) || !slices.Equal(snippet.Scopes, scopes) {
			t.Errorf("the snippet is %+v, want the issuer %s and the scopes %q", snippet, issuer, scopes)
		}
		n := len(want) + 2 // ProtectedResourceSnippet, OperatorEnvironment
		if s.issuer != "" {
			n++ // DomainTarget
		}
		if len(template.Outputs) != n {
			t.Errorf("%d outputs, want %d: %v", len(template.Outputs), n, template.Outputs)
		}
	})
}

// The output OperatorEnvironment is the janitor's environment, as lines that
// dcrctl reads, by --stack or from a file by --env-file.
func TestOperatorEnvironmentMatchesTheJanitors(t *testing.T) {
	each(t, func(t *testing.T, s set, template *cfn.Template) {
		want := template.Environment("JanitorFunction")
		want["AWS_REGION"] = "${AWS::Region}"
		delete(want, "LOG_LEVEL") // dcrctl does not use it
		got := make(map[string]string)
		for line := range strings.Lines(template.Outputs["OperatorEnvironment"]) {
			name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "='")
			value, quoted := strings.CutSuffix(value, "'")
			if !ok || !quoted {
				t.Fatalf("%q is not NAME='VALUE'", line)
			}
			if value != "" {
				got[name] = value
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("OperatorEnvironment has\n%v, want as for the janitor\n%v", got, want)
		}
		values := inTheCloud()
		if _, err := environment.AppClients(func(name string) string { return values.Replace(got[name]) }); err != nil {
			t.Errorf("dcrctl does not accept it: %v", err)
		}
	})
}

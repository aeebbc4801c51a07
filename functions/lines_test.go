package functions

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

// At the level error the log still has a line for each request or run, the audit
// trail and the metrics for CloudWatch.
func TestNoLevelSilencesLinesAndAudit(t *testing.T) {
	t.Parallel()
	d := deploy(t, 10, "LOG_LEVEL", "error")
	r := d.register(publicMetadata, "http://127.0.0.1:40001/callback", "")
	b := d.browser()
	_, at := d.begin(b, r)
	tok := d.tokens(r, d.consent(b, r, at).Get("code"))
	d.token(r, 200, map[string][]string{"grant_type": {"refresh_token"}, "refresh_token": {text(tok, "refresh_token")}})
	d.janitor(t)
	lines := make(map[string][]map[string]any)
	for name, f := range d.all {
		for line := range strings.Lines(f.Logs()) {
			var l map[string]any
			if err := json.Unmarshal([]byte(line), &l); err != nil {
				t.Fatalf("%v in %s", err, line)
			}
			lines[name] = append(lines[name], l)
		}
	}

	for _, tt := range []struct {
		function, msg, route, method string
		has                          map[string]any
		calls, metrics               []string
	}{
		{"register", "answered", "/register", "POST", map[string]any{"status": 201.0, "outcome": "ok", "client_id": r.id, "profile": "open"},
			[]string{"dynamodb"}, []string{"Registrations", "DynamoDBLatency"}},
		{"authorize", "answered", "/authorize", "GET", map[string]any{"status": 303.0, "outcome": "ok"},
			[]string{"dynamodb", "other"}, []string{"DynamoDBLatency"}},
		{"authorize", "answered", "/callback", "GET", map[string]any{"status": 303.0, "outcome": "ok"},
			[]string{"dynamodb", "cognito_oauth"}, []string{"CognitoOAuthLatency"}},
		{"authorize", "answered", "/authorize", "POST", map[string]any{"outcome": "ok", "decision": "allow"},
			[]string{"dynamodb"}, []string{"Consents"}},
		{"token", "answered", "/token", "POST", map[string]any{"status": 200.0, "outcome": "ok", "client_id": r.id, "profile": "open", "grant_type": "authorization_code"},
			[]string{"dynamodb"}, []string{"Tokens", "DynamoDBLatency"}},
		{"token", "answered", "/token", "POST", map[string]any{"status": 200.0, "grant_type": "refresh_token"},
			[]string{"dynamodb", "cognito_oauth"}, []string{"Tokens", "CognitoOAuthLatency"}},
		{"provision", "provisioned", "", "", map[string]any{"outcome": "ok", "key": "profile/open"},
			[]string{"dynamodb", "cognito"}, []string{"AppClientsMade", "CognitoLatency"}},
		{"janitor", "swept", "", "", map[string]any{"outcome": "ok", "AppClients": 1.0, "AppClientQuotaUsed": 0.1, "BrandingStylesLeft": 19.0, "JanitorRuns": 1.0},
			[]string{"dynamodb", "cognito"}, []string{"AppClients", "AppClientQuotaUsed", "BrandingStylesLeft", "JanitorBacklog", "JanitorFailures", "JanitorRuns"}},
	} {
		i := slices.IndexFunc(lines[tt.function], func(l map[string]any) bool {
			if l["msg"] != tt.msg || tt.route != "" && (l["route"] != tt.route || l["method"] != tt.method) {
				return false
			}
			return tt.has["grant_type"] == nil || l["grant_type"] == tt.has["grant_type"]
		})
		if i < 0 {
			t.Errorf("%s logged no line %q of %s %s: %v", tt.function, tt.msg, tt.method, tt.route, lines[tt.function])
			continue
		}
		l := lines[tt.function][i]
		for key, want := range tt.has {
			if l[key] != want {
				t.Errorf("%s %s %s: %s = %v, want %v", tt.function, tt.method, tt.route, key, l[key], want)
			}
		}
		if id, _ := l["request_id"].(string); id == "" {
			t.Errorf("%s %s: no request_id in %v", tt.function, tt.route, l)
		}
		if _, ok := l["ms"].(float64); !ok {
			t.Errorf("%s %s: no ms in %v", tt.function, tt.route, l)
		}
		for _, service := range tt.calls {
			took, _ := l[service].(map[string]any)
			if n, _ := took["calls"].(float64); n < 1 || took["ms"] == nil {
				t.Errorf("%s %s %s: %s = %v, want calls and milliseconds", tt.function, tt.method, tt.route, service, l[service])
			}
		}
		embedded, _ := json.Marshal(l["_aws"])
		for _, m := range tt.metrics {
			if l[m] == nil || !strings.Contains(string(embedded), `"`+m+`"`) {
				t.Errorf("%s %s %s: %s = %v, want a metric in %s", tt.function, tt.method, tt.route, m, l[m], embedded)
			}
		}
	}

	var events []string
	for _, all := range lines {
		for _, l := range all {
			if l["msg"] == "audit" {
				events = append(events, l["event"].(string))
			}
			if l["msg"] != "audit" && l["msg"] != "answered" && l["msg"] != "provisioned" && l["msg"] != "swept" && l["level"] != "ERROR" {
				t.Errorf("the level lets %v through", l)
			}
		}
	}
	for _, want := range []telemetry.Event{
		telemetry.RegistrationCreated, telemetry.AppClientCreated, telemetry.AppClientUpdated, telemetry.ConsentGiven, telemetry.GrantCreated, telemetry.TokenIssued,
	} {
		if !slices.Contains(events, string(want)) {
			t.Errorf("the audit trail has %q, want %s as well", events, want)
		}
	}
}

package sam

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/config"
	"github.com/dcr-broker/dcr-broker/test/cfn"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// functionOf maps routes to functions, in both modes.
var functionOf = map[string]string{
	"ANY /register":             "register",
	"ANY /register/{client_id}": "register",
	"ANY /token":                "token",
	"ANY /revoke":               "token",
	"$default":                  "metadata",
}

// brokeredFunctionOf has the routes that only brokered mode has.
var brokeredFunctionOf = map[string]string{
	"ANY /introspect":      "token",
	"ANY /authorize":       "authorize",
	"ANY /callback":        "authorize",
	"ANY /consent":         "authorize",
	"ANY /signed-out":      "authorize",
	"GET /assets/{proxy+}": "authorize",
}

func (s set) routes() map[string]string {
	routes := make(map[string]string)
	for key, function := range functionOf {
		routes[key] = title(function) + "Function"
	}
	if !s.direct {
		for key, function := range brokeredFunctionOf {
			routes[key] = title(function) + "Function"
		}
	}
	return routes
}

func TestRoutes(t *testing.T) {
	each(t, func(t *testing.T, s set, template *cfn.Template) {
		got, err := template.Routes()
		if want := s.routes(); err != nil || !maps.Equal(got, want) {
			t.Errorf("routes %v (%v), want %v", got, err, want)
		}
	})
}

// Each route has an event in events/, and each event has one of these routes.
func TestEveryRouteHasAnEvent(t *testing.T) {
	files, err := filepath.Glob("../../events/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no events", err)
	}
	have := make(map[string]bool)
	for _, file := range files {
		b := must.ReadFile(t, file)
		var e struct{ RouteKey string }
		if err := json.Unmarshal(b, &e); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if e.RouteKey != "" {
			have[e.RouteKey] = true
		}
	}
	got := slices.Sorted(maps.Keys(have))
	if want := slices.Sorted(maps.Keys(set{}.routes())); !slices.Equal(got, want) {
		t.Errorf("events have the routes %q, the template has %q", got, want)
	}
}

func TestAPI(t *testing.T) {
	each(t, func(t *testing.T, s set, template *cfn.Template) {
		api := one(t, template, "AWS::ApiGatewayV2::Api")
		// CORS of the API would override the functions' own headers.
		if cors := api.Text("CorsConfiguration"); cors != "" {
			t.Errorf("CORS by the API: %s", cors)
		}
		if api.Text("ProtocolType") != "HTTP" || api.Get("Body") != nil {
			t.Errorf("the API is %v", api.Properties)
		}
		// The API must not have a second origin, whose issuer would be wrong.
		want := "false" // without a value it would stay off when a domain is removed
		if s.issuer != "" {
			want = "true"
		}
		if got := api.Text("DisableExecuteApiEndpoint"); got != want {
			t.Errorf("DisableExecuteApiEndpoint is %q with the issuer %q, want %q", got, s.issuer, want)
		}
		// The name of any other stage would be part of every path.
		stage := one(t, template, "AWS::ApiGatewayV2::Stage")
		if stage.Text("StageName") != "$default" || stage.Text("ApiId") != "${Api}" || stage.Text("AutoDeploy") != "true" {
			t.Errorf("the stage is %v", stage.Properties)
		}
	})
}

func TestThrottling(t *testing.T) {
	each(t, func(t *testing.T, s set, template *cfn.Template) {
		stage := one(t, template, "AWS::ApiGatewayV2::Stage")
		limit := func(v any) string {
			m, _ := v.(map[string]any)
			rate, _ := m["ThrottlingRateLimit"].(string)
			burst, _ := m["ThrottlingBurstLimit"].(string)
			return rate + " " + burst
		}
		if got := limit(stage.Get("DefaultRouteSettings")); got != "100 200" {
			t.Errorf("limit of any route: %s", got)
		}
		want := map[string]string{"ANY /register": "10 20", "ANY /token": "100 200", "ANY /authorize": "50 100"}
		if s.direct {
			delete(want, "ANY /authorize")
		}
		settings, _ := stage.Get("RouteSettings").(map[string]any)
		got := make(map[string]string)
		for key, v := range settings {
			got[key] = limit(v)
			// The routes must exist before the stage can have limits for them.
			made := false
			for _, r := range template.Of("AWS::ApiGatewayV2::Route") {
				refers := slices.Contains(stage.DependsOn, r.ID) || strings.Contains(stage.Text("Description"), "${"+r.ID+"}")
				made = made || r.Text("RouteKey") == key && refers
			}
			if !made {
				t.Errorf("the stage does not wait for the route %s, for which it has a limit", key)
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("limits of routes: %v, want %v", got, want)
		}
	})
}

// Access logs have nothing that a client sends, because paths, queries and
// headers have codes, tokens and client ids.
func TestAccessLogsHaveNothingOfRequests(t *testing.T) {
	each(t, func(t *testing.T, _ set, template *cfn.Template) {
		stage := one(t, template, "AWS::ApiGatewayV2::Stage")
		if got := stage.Text("AccessLogSettings", "DestinationArn"); got != "${AccessLogs.Arn}" {
			t.Errorf("access logs go to %s", got)
		}
		var format map[string]string
		if err := json.Unmarshal([]byte(stage.Text("AccessLogSettings", "Format")), &format); err != nil {
			t.Fatal(err)
		}
		allowed := strings.Fields(`$context.requestId $context.requestTime $context.httpMethod $context.routeKey $context.status
			$context.responseLatency $context.integrationErrorMessage $context.identity.sourceIp`)
		for name, v := range format {
			if !slices.Contains(allowed, v) {
				t.Errorf("access logs have %s, %s", name, v)
			}
		}
		if len(format) != len(allowed) {
			t.Errorf("access logs have %v, want all of %v", format, allowed)
		}
	})
}

func TestDomain(t *testing.T) {
	each(t, func(t *testing.T, s set, template *cfn.Template) {
		if s.issuer == "" {
			for _, kind := range []string{"AWS::ApiGatewayV2::DomainName", "AWS::ApiGatewayV2::ApiMapping", "AWS::Route53::RecordSet", "AWS::CloudFront::Distribution", "AWS::WAFv2::WebACL"} {
				if of := template.Of(kind); len(of) > 0 {
					t.Errorf("%s, %s, without a domain", of[0].ID, kind)
				}
			}
			return
		}
		domain, mapping := one(t, template, "AWS::ApiGatewayV2::DomainName"), one(t, template, "AWS::ApiGatewayV2::ApiMapping")
		if "https://"+domain.Text("DomainName") != s.issuer || !strings.Contains(domain.Text("DomainNameConfigurations"), "TLS_1_2") {
			t.Errorf("the domain is %v, want %s with TLS 1.2", domain.Properties, s.issuer)
		}
		if mapping.Get("ApiMappingKey") != nil || mapping.Text("ApiId") != "${Api}" || mapping.Text("Stage") != "${Stage}" || mapping.Text("DomainName") != "${Domain}" {
			t.Errorf("the mapping is %v, want the stage at the root", mapping.Properties)
		}
		target, kinds := "${Domain.RegionalDomainName}", []string{"A"}
		if s.parameters["EdgeProtection"] != "" {
			target, kinds = "${Distribution.DomainName}", []string{"A", "AAAA"}
		}
		if s.parameters["HostedZoneId"] == "" {
			kinds = nil
		}
		var got []string
		for _, r := range template.Of("AWS::Route53::RecordSet") {
			got = append(got, r.Text("Type"))
			if r.Text("AliasTarget", "DNSName") != target || r.Text("Name") != "auth.example.com" {
				t.Errorf("%s is %v, want it to point at %s", r.ID, r.Properties, target)
			}
		}
		if !slices.Equal(got, kinds) {
			t.Errorf("records %q, want %q", got, kinds)
		}
		if out := template.Outputs["DomainTarget"]; out != target {
			t.Errorf("DomainTarget is %s, want %s", out, target)
		}
	})
}

func TestEdge(t *testing.T) {
	each(t, func(t *testing.T, s set, template *cfn.Template) {
		if s.parameters["EdgeProtection"] == "" {
			return
		}
		d := one(t, template, "AWS::CloudFront::Distribution")
		want := map[string]string{
			"Aliases":                            `["auth.example.com"]`,
			"Logging":                            "", // CloudFront's logs have query strings
			"DefaultCacheBehavior/Compress":      "false",
			"DefaultCacheBehavior/CachePolicyId": "4135ea2d-6df8-44a3-9df3-4b5a84be39ad", // CachingDisabled
			"DefaultCacheBehavior/OriginRequestPolicyId": "33f36d7e-f396-46d9-90e0-52428a34d9dc", // AllViewerAndCloudFrontHeaders-2022-06
			"DefaultCacheBehavior/ViewerProtocolPolicy":  "https-only",
			"DefaultCacheBehavior/AllowedMethods":        `["GET","HEAD","OPTIONS","PUT","PATCH","POST","DELETE"]`,
			"ViewerCertificate/MinimumProtocolVersion":   "TLSv1.2_2021",
			"WebACLId": "${WebACL.Arn}",
		}
		origins, _ := d.Get("DistributionConfig", "Origins").([]any)
		if len(origins) != 1 || !strings.Contains(fmt.Sprint(origins[0]), "X-Edge-Secret") || !strings.Contains(fmt.Sprint(origins[0]), "{{resolve:secretsmanager:${EdgeSecret}:SecretString:current}}") {
			t.Errorf("the origins are %v, want one that gets the secret of the edge", origins)
		}
		made := s.parameters["WebAclArn"] == ""
		if !made {
			want["WebACLId"] = webACL
		}
		for path, v := range want {
			if got := d.Text(append([]string{"DistributionConfig"}, strings.Split(path, "/")...)...); got != v {
				t.Errorf("%s is %q, want %q", path, got, v)
			}
		}
		var uncached []string
		errors, _ := d.Get("DistributionConfig", "CustomErrorResponses").([]any)
		for _, e := range errors {
			m, _ := e.(map[string]any)
			if m["ErrorCachingMinTTL"] == "0" {
				uncached = append(uncached, m["ErrorCode"].(string))
			}
		}
		if want := []string{"400", "403", "404", "405", "414", "500", "501", "502", "503", "504"}; !slices.Equal(uncached, want) {
			t.Errorf("errors that are not cached: %q, want %q", uncached, want)
		}
		if acls := template.Of("AWS::WAFv2::WebACL"); made != (len(acls) == 1) {
			t.Fatalf("%d web ACLs, want one: %t", len(acls), made)
		}
		if !made {
			return
		}
		acl := template.Of("AWS::WAFv2::WebACL")[0]
		rules, _ := acl.Get("Rules").([]any)
		var limits []string
		for _, r := range rules {
			m, _ := r.(map[string]any)
			statement, _ := m["Statement"].(map[string]any)
			rate, _ := statement["RateBasedStatement"].(map[string]any)
			limits = append(limits, m["Name"].(string)+" "+rate["Limit"].(string)+" "+rate["AggregateKeyType"].(string))
		}
		if !slices.Equal(limits, []string{"register 60 IP", "all 2000 IP"}) || acl.Text("Scope") != "CLOUDFRONT" {
			t.Errorf("the web ACL limits %q in the scope %s", limits, acl.Text("Scope"))
		}
	})
}

// What the edge lets one address send in five minutes must be enough for the 20
// connectors each of two hosted clients, and not enough to use up the hour of a
// redirect rule.
func TestTheLimitOfTheEdgeFitsTheBudget(t *testing.T) {
	var document struct {
		Profiles map[string]struct {
			Limits struct {
				CreationsPerHour int `json:"creations_per_hour"`
			}
		}
	}
	if err := json.Unmarshal(config.Example(), &document); err != nil {
		t.Fatal(err)
	}
	budget := document.Profiles["open"].Limits.CreationsPerHour
	limit, err := strconv.Atoi(regexp.MustCompile(`EdgeRegisterPerAddress:\n    Type: Number\n    Default: (\d+)`).FindStringSubmatch(string(must.ReadFile(t, "../../template.yaml")))[1])
	if err != nil {
		t.Fatal(err)
	}
	if limit < 2*20 || limit >= budget {
		t.Errorf("the edge lets %d requests to /register through, want at least 40 and less than creations_per_hour, %d", limit, budget)
	}
	if budget/4 < 20 {
		t.Errorf("a quarter of creations_per_hour, %d, is less than 20 connectors of one client", budget)
	}
}

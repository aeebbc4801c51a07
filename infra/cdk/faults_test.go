package dcrbroker_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscognito"
	"github.com/aws/jsii-runtime-go"

	dcrbroker "github.com/dcr-broker/dcr-broker/infra/cdk"
)

// validProps returns complete props with an existing user pool.
func validProps(stack awscdk.Stack) *dcrbroker.Props {
	return &dcrbroker.Props{
		UserPool:      awscognito.UserPool_FromUserPoolId(stack, jsii.String("Pool"), jsii.String("eu-central-1_AbCdEfGhI")),
		CognitoDomain: "https://example.auth.eu-central-1.amazoncognito.com",
		LoginVersion:  2,
		Dist:          dist,
	}
}

// Each row is a stack of one app. A single synthesis reports the faults of all.
func TestSynthesisReportsAllFaults(t *testing.T) {
	rows := []struct {
		name   string
		change func(awscdk.Stack, *dcrbroker.Props)
		want   []string // each on its own line; empty if there is no fault
	}{
		{"no fault", func(awscdk.Stack, *dcrbroker.Props) {}, nil},
		{"an unknown mode", func(_ awscdk.Stack, p *dcrbroker.Props) { p.Mode = "relayed" }, []string{"Mode: must be brokered or direct"}},
		{"log level", func(_ awscdk.Stack, p *dcrbroker.Props) { p.LogLevel = "loud" }, []string{"LogLevel: must be debug"}},
		{"deployment id", func(_ awscdk.Stack, p *dcrbroker.Props) { p.DeploymentID = "Prod" }, []string{`DeploymentID: "Prod" is not`}},
		{"no sign-in pages", func(_ awscdk.Stack, p *dcrbroker.Props) { p.CognitoDomain = "" }, []string{"CognitoDomain: is required with UserPool"}},
		{"scopes for a pool that exists", func(_ awscdk.Stack, p *dcrbroker.Props) { p.Scopes = []string{"mcp/read"} }, []string{"Scopes: cannot be combined with UserPool"}},
		{"scopes that no resource server can have", func(_ awscdk.Stack, p *dcrbroker.Props) {
			*p = dcrbroker.Props{Dist: dist, Scopes: []string{"openid", "mcp/", "/read", "mcp/re ad", "mcp/read", "mcp/read"}}
		}, []string{`Scopes: "openid" is not IDENTIFIER/SCOPE`, `Scopes: "mcp/" is not`, `Scopes: "/read" is not`, `Scopes: "mcp/re ad" is not`, `Scopes: "mcp/read" occurs twice`}},
		{"a pool in another region", func(s awscdk.Stack, p *dcrbroker.Props) {
			p.UserPool = awscognito.UserPool_FromUserPoolId(s, jsii.String("Other"), jsii.String("us-west-2_AbCdEfGhI"))
		}, []string{"UserPool: us-west-2_AbCdEfGhI is not in the region of the stack, eu-central-1"}},
		{"a prefix for a pool that exists", func(_ awscdk.Stack, p *dcrbroker.Props) { p.DomainPrefix = "example" }, []string{"DomainPrefix: "}},
		{"sign-in pages without a pool", func(_ awscdk.Stack, p *dcrbroker.Props) { p.UserPool = nil }, []string{"CognitoDomain: requires UserPool", "LoginVersion: requires UserPool"}},
		{"a domain that is not a host name", func(_ awscdk.Stack, p *dcrbroker.Props) { p.Domain = &dcrbroker.Domain{Name: "Auth.example.com/"} }, []string{"Domain.Name: ", "Domain.CertificateARN: "}},
		{"an edge without domain", func(_ awscdk.Stack, p *dcrbroker.Props) { p.Edge = &dcrbroker.Edge{} }, []string{"Edge: requires Domain"}},
		{"an edge in a region without CloudFront's resources", func(_ awscdk.Stack, p *dcrbroker.Props) {
			p.Domain = &dcrbroker.Domain{Name: "auth.example.com", CertificateARN: "arn:aws:acm:eu-central-1:111122223333:certificate/a"}
			p.Edge = &dcrbroker.Edge{}
		}, []string{"Edge.CertificateARN: is required", "Edge.WebACLARN: is required"}},
		{"an edge with the API's certificate", func(_ awscdk.Stack, p *dcrbroker.Props) {
			p.Domain = &dcrbroker.Domain{Name: "auth.example.com", CertificateARN: "arn:aws:acm:eu-central-1:111122223333:certificate/a"}
			p.Edge = &dcrbroker.Edge{CertificateARN: p.Domain.CertificateARN, WebACLARN: "arn:aws:wafv2:us-east-1:111122223333:global/webacl/a/b"}
		}, []string{"Edge.CertificateARN: arn:aws:acm:eu-central-1"}},
		{"no packages", func(_ awscdk.Stack, p *dcrbroker.Props) { p.Dist = "/nowhere" }, []string{"Dist: stat /nowhere/register_arm64.zip"}},
		{"no checkout", func(_ awscdk.Stack, p *dcrbroker.Props) { p.SourceDir = "/nowhere" }, []string{"SourceDir: /nowhere is not a checkout"}},
		{"a second broker", func(s awscdk.Stack, p *dcrbroker.Props) {
			first := *p
			dcrbroker.New(s, "First", &first)
		}, []string{"DeploymentID: is required for a second broker"}},
		{"a second broker with an id", func(s awscdk.Stack, p *dcrbroker.Props) {
			first := *p
			dcrbroker.New(s, "First", &first)
			p.DeploymentID = "second"
		}, nil},
		{"values that are known only at deployment", func(s awscdk.Stack, p *dcrbroker.Props) {
			pool := awscognito.NewUserPool(s, jsii.String("Made"), nil)
			p.UserPool = pool
			other := awscdk.NewCfnParameter(s, jsii.String("Other"), nil)
			p.CognitoDomain = *other.ValueAsString()
			p.DeploymentID = *other.ValueAsString()
		}, nil},

		{"an API with CORS", existing(&awsapigatewayv2.HttpApiProps{
			CorsPreflight: &awsapigatewayv2.CorsPreflightOptions{AllowOrigins: jsii.Strings("*")},
		}), []string{"Api: has a CORS configuration"}},
		{"an API with a named stage", func(s awscdk.Stack, p *dcrbroker.Props) {
			existing(nil)(s, p)
			p.Api.Api.AddStage(jsii.String("Prod"), &awsapigatewayv2.HttpStageOptions{StageName: jsii.String("prod")})
		}, []string{"Api: has the stage prod (row20/Api/Prod/Resource)"}},
		{"an API without $default stage", existing(&awsapigatewayv2.HttpApiProps{CreateDefaultStage: jsii.Bool(false)}), []string{"Api: has no stage $default"}},
		{"an API whose endpoint is off", existing(&awsapigatewayv2.HttpApiProps{DisableExecuteApiEndpoint: jsii.Bool(true)}), []string{"Api: its own endpoint is off"}},
		{"an API that has a route of the broker's", func(s awscdk.Stack, p *dcrbroker.Props) {
			existing(nil)(s, p)
			awsapigatewayv2.NewCfnRoute(s, jsii.String("Theirs"), &awsapigatewayv2.CfnRouteProps{ApiId: p.Api.Api.HttpApiId(), RouteKey: jsii.String("ANY /token")})
		}, []string{"Api: has the route ANY /token (row23/Theirs)"}},
		{"an API of another stack", func(s awscdk.Stack, p *dcrbroker.Props) {
			other := awscdk.NewStack(s, jsii.String("Other"), nil)
			p.Api = &dcrbroker.ExistingApi{Api: awsapigatewayv2.NewHttpApi(other, jsii.String("Api"), nil)}
		}, []string{"Api: must be in the broker's stack"}},
		{"an API and a domain", func(s awscdk.Stack, p *dcrbroker.Props) {
			existing(nil)(s, p)
			p.Domain = &dcrbroker.Domain{Name: "auth.example.com", CertificateARN: "arn:aws:acm:eu-central-1:111122223333:certificate/a"}
		}, []string{"Domain: cannot be combined with Api"}},
		{"an API without faults", existing(nil), nil},
		{"an API whose routes take requests from the broker's", withRoutes(
			"POST /token", "GET /authorize", "GET /consent/", "PUT /register/{id}", "POST /register/me", "GET /assets/logo.png", "GET /{a}/{b}",
			"GET /.well-known/oauth-authorization-server", "ANY /.well-known/oauth-protected-resource/mcp/{proxy+}",
		), []string{
			"the route POST /token (row27/Theirs0), which takes requests from the broker's ANY /token",
			"the route GET /authorize (row27/Theirs1), which takes requests from the broker's ANY /authorize",
			"the route GET /consent/ (row27/Theirs2), which takes requests from the broker's ANY /consent",
			"the route PUT /register/{id} (row27/Theirs3), which takes requests from the broker's ANY /register/{client_id}",
			"the route POST /register/me (row27/Theirs4), which takes requests from the broker's ANY /register/{client_id}",
			"the route GET /assets/logo.png (row27/Theirs5), which takes requests from the broker's GET /assets/{proxy+}",
			"the route GET /{a}/{b} (row27/Theirs6), which takes requests from the broker's GET /assets/{proxy+}",
			"the route GET /.well-known/oauth-authorization-server (row27/Theirs7), which takes",
			"the route ANY /.well-known/oauth-protected-resource/mcp/{proxy+} (row27/Theirs8), which takes requests from the broker's ANY /.well-known/oauth-protected-resource/{proxy+}",
		}},
		{"an API whose routes take no requests from the broker's", withRoutes(
			"$default", "ANY /{proxy+}", "GET /{page}", "GET /tokens", "GET /register/me/more", "POST /register/{proxy+}", "GET /.well-known/{document+}", "ANY /mcp",
		), nil},
		{"an API whose access log has paths", withLog(`{"route":"$context.routeKey","at":"$context.path"}`), []string{
			"Api: the access log of its stage (row29/Api/DefaultStage/Resource) has $context.path, which"}},
		{"an API whose access log has queries", withLog("$context.requestId $request.querystring.code"), []string{
			"has $request.querystring.code, which"}},
		{"an API whose access log has neither", withLog("$context.requestId $context.routeKey $context.requestTime $context.customDomain.basePathMatched"), nil},
		{"an API with an invalid origin", func(s awscdk.Stack, p *dcrbroker.Props) {
			existing(nil)(s, p)
			p.Api.Origin = "https://auth.example.com/"
		}, []string{"must be scheme and host"}},
		{"an edge of another owner without domain", func(_ awscdk.Stack, p *dcrbroker.Props) { p.OwnEdge = dcrbroker.SecretEdge }, []string{"OwnEdge: requires Domain"}},
	}

	w := newApp(t)
	for i, row := range rows {
		stack := awscdk.NewStack(w.app, jsii.String(rowName(i)), &awscdk.StackProps{Env: &awscdk.Environment{Region: jsii.String("eu-central-1")}})
		p := validProps(stack)
		row.change(stack, p)
		dcrbroker.New(stack, "Broker", p)
	}
	err := w.synth()
	if err == nil {
		t.Fatal("the synthesis succeeded, want an error")
	}
	faults := make(map[string][]string) // by stack
	for line := range strings.Lines(err.Error()) {
		place, rest, ok := strings.Cut(strings.TrimSpace(line), "] ")
		if ok && strings.HasPrefix(place, "[row") {
			stack, _, _ := strings.Cut(place[1:], "/")
			faults[stack] = append(faults[stack], rest)
		}
	}
	if len(faults) == 0 {
		t.Fatalf("the synthesis returned %v, want the faults of each broker", err)
	}
	for i, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			got := faults[rowName(i)]
			all := strings.Join(got, "\n")
			for _, want := range row.want {
				if !strings.Contains(all, want) {
					t.Errorf("faults are %q, want %q", got, want)
				}
			}
			if len(row.want) == 0 && len(got) > 0 {
				t.Errorf("faults are %q, want none", got)
			}
		})
	}
}

func rowName(i int) string { return "row" + string(rune('0'+i/10)) + string(rune('0'+i%10)) }

// existing adds the broker to an existing API.
func existing(api *awsapigatewayv2.HttpApiProps) func(awscdk.Stack, *dcrbroker.Props) {
	return func(s awscdk.Stack, p *dcrbroker.Props) {
		p.Api = &dcrbroker.ExistingApi{Api: awsapigatewayv2.NewHttpApi(s, jsii.String("Api"), api)}
	}
}

// withRoutes adds the broker to an existing API with these routes.
func withRoutes(keys ...string) func(awscdk.Stack, *dcrbroker.Props) {
	return func(s awscdk.Stack, p *dcrbroker.Props) {
		existing(nil)(s, p)
		for i, key := range keys {
			awsapigatewayv2.NewCfnRoute(s, jsii.String(fmt.Sprint("Theirs", i)), &awsapigatewayv2.CfnRouteProps{ApiId: p.Api.Api.HttpApiId(), RouteKey: &key})
		}
	}
}

// withLog adds the broker to an existing API with this format of its access log.
func withLog(format string) func(awscdk.Stack, *dcrbroker.Props) {
	return func(s awscdk.Stack, p *dcrbroker.Props) {
		existing(nil)(s, p)
		stage := p.Api.Api.DefaultStage().Node().DefaultChild().(awsapigatewayv2.CfnStage)
		stage.SetAccessLogSettings(&awsapigatewayv2.CfnStage_AccessLogSettingsProperty{
			DestinationArn: jsii.String("arn:aws:logs:eu-central-1:111122223333:log-group:api"), Format: &format,
		})
	}
}

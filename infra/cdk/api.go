package dcrbroker

import (
	"cmp"
	"maps"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/jsii-runtime-go"
)

// route is a route of the API. Most routes have all methods, because the function
// answers a request with a wrong method.
type route struct {
	id, key string
	to      function
}

// routes returns the routes of the mode. An existing API keeps its own
// $default, so there the well-known documents have routes of their own.
func (b *Broker) routes(existing bool) []route {
	all := []route{
		{"RegisterRoute", "ANY /register", register},
		{"RegistrationRoute", "ANY /register/{client_id}", register},
		{"TokenRoute", "ANY /token", token},
		{"RevokeRoute", "ANY /revoke", token},
	}
	if b.brokered() {
		all = append(all,
			route{"IntrospectRoute", "ANY /introspect", token},
			route{"AuthorizeRoute", "ANY /authorize", authorize},
			route{"CallbackRoute", "ANY /callback", authorize},
			route{"ConsentRoute", "ANY /consent", authorize},
			route{"SignedOutRoute", "ANY /signed-out", authorize},
			route{"AssetsRoute", "GET /assets/{proxy+}", authorize},
		)
	}
	if !existing {
		return append(all, route{"DefaultRoute", "$default", metadata})
	}
	return append(all,
		route{"ServerMetadataRoute", "ANY /.well-known/oauth-authorization-server", metadata},
		route{"DiscoveryRoute", "ANY /.well-known/openid-configuration", metadata},
		route{"ResourceMetadataRoute", "ANY /.well-known/oauth-protected-resource", metadata},
		route{"ResourcePathMetadataRoute", "ANY /.well-known/oauth-protected-resource/{proxy+}", metadata},
	)
}

// api is the API to which the routes are added.
type api struct {
	// own is nil for an existing API, whose $default stage is in stage.
	own   awsapigatewayv2.CfnApi
	stage awsapigatewayv2.CfnStage
}

// addApi creates the API or uses the existing one, and sets the issuer. The
// functions come later, because their environment has the issuer.
func (b *Broker) addApi(p *Props) *api {
	if p.Api != nil {
		return b.existingApi(p)
	}
	own := awsapigatewayv2.NewCfnApi(b.Construct, jsii.String("Api"), &awsapigatewayv2.CfnApiProps{
		Name: b.stack.StackName(), Description: jsii.String("dcr-broker"), ProtocolType: jsii.String("HTTP"),
	})
	b.apiID = own.Ref()
	b.Issuer = b.endpoint()
	if p.Domain != nil {
		b.Issuer = "https://" + p.Domain.Name
	}
	// The API must not have a second origin, whose issuer would be wrong. False
	// is set explicitly: without a value the endpoint would stay off when the
	// domain is removed.
	own.SetDisableExecuteApiEndpoint(jsii.Bool(p.Domain != nil))
	b.Api = awsapigatewayv2.HttpApi_FromHttpApiAttributes(b.Construct, jsii.String("HttpApi"), &awsapigatewayv2.HttpApiAttributes{
		HttpApiId: own.Ref(), ApiEndpoint: &b.Issuer,
	})
	return &api{own: own}
}

func (b *Broker) endpoint() string {
	return "https://" + *b.apiID + ".execute-api." + *b.stack.Region() + "." + *b.stack.UrlSuffix()
}

// addRoutes adds the routes to the functions, creates the stage of an API of the
// broker's own, and sets the limits of the routes.
func (b *Broker) addRoutes(p *Props, a *api) {
	routes := b.routes(a.own == nil)
	targets := make(map[function]*string)
	for _, f := range b.modeFunctions() {
		if slices.ContainsFunc(routes, func(r route) bool { return r.to == f }) {
			targets[f] = b.addIntegration(f)
		}
	}
	made := make(map[string]awsapigatewayv2.CfnRoute)
	for _, r := range routes {
		made[r.key] = awsapigatewayv2.NewCfnRoute(b.Construct, &r.id, &awsapigatewayv2.CfnRouteProps{
			ApiId: b.apiID, RouteKey: &r.key, Target: targets[r.to],
		})
		suppressNag(made[r.key], "APIG4", "This is where clients without any token get one: the functions check clients, tokens and sign-ins themselves, as OAuth has it.")
	}

	limits := map[string]Rate{"ANY /register": p.Throttle.Register, "ANY /token": p.Throttle.Token}
	if b.brokered() {
		limits["ANY /authorize"] = p.Throttle.Authorize
	}
	if a.own != nil {
		b.addStage(p, a)
	}
	for _, key := range slices.Sorted(maps.Keys(limits)) {
		if a.stage == nil {
			break // existingApi has reported it
		}
		a.stage.AddPropertyOverride(jsii.String("RouteSettings."+key), map[string]any{
			"ThrottlingRateLimit": limits[key].PerSecond, "ThrottlingBurstLimit": limits[key].Burst,
		})
		// A route must exist before its limit can be set.
		a.stage.Node().AddDependency(made[key])
	}
	if p.Domain != nil && a.own != nil {
		b.addDomain(p, a)
	}
}

// addIntegration returns the target of f's routes.
func (b *Broker) addIntegration(f function) *string {
	id, fn := settingsOf[f].id, b.functions[f]
	integration := awsapigatewayv2.NewCfnIntegration(b.Construct, jsii.String(id+"Integration"), &awsapigatewayv2.CfnIntegrationProps{
		ApiId: b.apiID, IntegrationType: jsii.String("AWS_PROXY"), IntegrationUri: fn.FunctionArn(), PayloadFormatVersion: jsii.String("2.0"),
	})
	awslambda.NewCfnPermission(b.Construct, jsii.String(id+"Permission"), &awslambda.CfnPermissionProps{
		Action: jsii.String("lambda:InvokeFunction"), FunctionName: fn.FunctionName(), Principal: jsii.String("apigateway.amazonaws.com"),
		SourceArn: b.stack.FormatArn(&awscdk.ArnComponents{Service: jsii.String("execute-api"), Resource: b.apiID, ResourceName: jsii.String("*")}),
	})
	return jsii.String("integrations/" + *integration.Ref())
}

// accessLog has no path, query or header, which can contain codes and client ids.
const accessLog = `{"requestId":"$context.requestId","time":"$context.requestTime","httpMethod":"$context.httpMethod",` +
	`"routeKey":"$context.routeKey","status":"$context.status","latency":"$context.responseLatency",` +
	`"integrationError":"$context.integrationErrorMessage","sourceIp":"$context.identity.sourceIp"}`

// addStage creates the stage $default, the only one: the name of any other stage
// would be part of every path.
func (b *Broker) addStage(p *Props, a *api) {
	logs := awslogs.NewLogGroup(b.Construct, jsii.String("AccessLogs"), &awslogs.LogGroupProps{
		// For log groups with another prefix, API Gateway adds a statement to a
		// resource policy of limited size.
		LogGroupName: jsii.String("/aws/vendedlogs/apis/" + *awscdk.Names_UniqueResourceName(b.Construct, &awscdk.UniqueResourceNameOptions{})),
		Retention:    p.LogRetention, RemovalPolicy: awscdk.RemovalPolicy_DESTROY,
	})
	a.stage = awsapigatewayv2.NewCfnStage(b.Construct, jsii.String("Stage"), &awsapigatewayv2.CfnStageProps{
		ApiId: b.apiID, StageName: jsii.String("$default"), AutoDeploy: jsii.Bool(true), Description: jsii.String("The only stage"),
		DefaultRouteSettings: &awsapigatewayv2.CfnStage_RouteSettingsProperty{
			ThrottlingRateLimit:  jsii.Number(p.Throttle.Default.PerSecond),
			ThrottlingBurstLimit: jsii.Number(p.Throttle.Default.Burst),
		},
		AccessLogSettings: &awsapigatewayv2.CfnStage_AccessLogSettingsProperty{
			DestinationArn: logs.LogGroupArn(), Format: jsii.String(accessLog),
		},
	})
}

func (t Throttle) withDefaults() Throttle {
	or := func(r, otherwise Rate) Rate {
		return Rate{cmp.Or(r.PerSecond, otherwise.PerSecond), cmp.Or(r.Burst, otherwise.Burst)}
	}
	return Throttle{
		Default: or(t.Default, Rate{100, 200}), Register: or(t.Register, Rate{10, 20}),
		Authorize: or(t.Authorize, Rate{50, 100}), Token: or(t.Token, Rate{100, 200}),
	}
}

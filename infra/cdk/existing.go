package dcrbroker

import (
	"cmp"
	"regexp"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// existingApi returns the API of p. The API is validated at synthesis, because
// the stack can still change it after the broker was added.
func (b *Broker) existingApi(p *Props) *api {
	b.Api = p.Api.Api
	if p.Domain != nil {
		b.faults.add("Domain: cannot be combined with Api; set Api.Origin to the origin at which clients reach your API")
	}
	if *awscdk.Stack_Of(p.Api.Api).Node().Addr() != *b.stack.Node().Addr() {
		b.faults.add("Api: must be in the broker's stack, since the broker sets limits for its routes on the API's stage")
		b.Issuer, b.apiID = "https://missing.invalid", jsii.String("missing")
		return &api{}
	}
	b.apiID = p.Api.Api.HttpApiId()
	b.Issuer = cmp.Or(p.Api.Origin, b.endpoint())
	a := &api{}
	if s := p.Api.Api.DefaultStage(); s != nil {
		a.stage, _ = s.Node().DefaultChild().(awsapigatewayv2.CfnStage)
	}
	if a.stage == nil {
		b.faults.add("Api: has no stage $default; create it with CreateDefaultStage")
	}
	b.Construct.Node().AddValidation(&apiValidation{b, p.Api})
	return a
}

// apiValidation checks an existing API for settings that would break the
// broker.
type apiValidation struct {
	b   *Broker
	api *ExistingApi
}

// Validate implements constructs.IValidation.
func (v *apiValidation) Validate() *[]*string {
	var f faults
	cfn, ok := v.api.Api.Node().DefaultChild().(awsapigatewayv2.CfnApi)
	if !ok {
		f.add("Api: is not an API of this app")
		return jsii.Strings(f...)
	}
	if cfn.CorsConfiguration() != nil {
		f.add("Api: has a CORS configuration (CorsPreflight), which overrides the headers that the broker sends itself; remove it and answer CORS in your own routes")
	}
	if off, ok := cfn.DisableExecuteApiEndpoint().(bool); ok && off && v.api.Origin == "" {
		f.add("Api: its own endpoint is off, so Api.Origin is required")
	}
	inBroker := *v.b.Construct.Node().Path() + "/"
	for _, c := range *v.b.stack.Node().FindAll(constructs.ConstructOrder_PREORDER) {
		path := *c.Node().Path()
		switch c := c.(type) {
		case awsapigatewayv2.CfnStage:
			if *c.ApiId() != *cfn.Ref() {
				continue
			}
			if *c.StageName() != "$default" {
				f.add("Api: has the stage %s (%s), whose name is part of every path, while the broker's issuer has no path; only the stage $default is possible", *c.StageName(), path)
			}
			if variable := exposedVariable.FindString(v.logFormat(c)); variable != "" {
				f.add("Api: the access log of its stage (%s) has %s, which can contain codes or client ids; log $context.routeKey instead", path, variable)
			}
		case awsapigatewayv2.CfnRoute:
			if *c.ApiId() != *cfn.Ref() || strings.HasPrefix(path, inBroker) {
				continue
			}
			if ours := v.conflictingRoute(*c.RouteKey()); ours != "" {
				f.add("Api: has the route %s (%s), which takes requests from the broker's %s", *c.RouteKey(), path, ours)
			}
		}
	}
	return jsii.Strings(f...)
}

// exposedVariable matches variables of an access log whose value comes from the
// client's request.
var exposedVariable = regexp.MustCompile(`(?i)\$\{?(?:context\.(?:\w*path|\w*query\w*|\w*headers?|requestOverride)\b[\w.]*|(?:request|input)\b[\w.]*)`)

// logFormat returns the format of the access log of a stage, or "" if it has
// none or if the format is known only at deployment.
func (v *apiValidation) logFormat(stage awsapigatewayv2.CfnStage) string {
	if stage.AccessLogSettings() == nil {
		return ""
	}
	settings, _ := v.b.stack.Resolve(stage.AccessLogSettings()).(map[string]any)
	format, _ := settings["format"].(string)
	return format
}

// conflictingRoute returns the key of a route of the broker some of whose
// requests would go to a route with this key, or "" if there is no such route.
func (v *apiValidation) conflictingRoute(key string) string {
	_, theirs, ok := strings.Cut(key, " ")
	if !ok {
		return "" // $default, which has the lowest priority
	}
	for _, r := range v.b.routes(true) {
		// Only paths are compared: a key with a method has priority over ANY.
		if _, ours, _ := strings.Cut(r.key, " "); hasPriority(theirs, ours) {
			return r.key
		}
	}
	return ""
}

// hasPriority reports whether API Gateway may choose the path theirs for a
// request that also matches ours. It prefers a path without a greedy variable,
// and then the more specific path:
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
// Where the documentation leaves this open, hasPriority returns true.
func hasPriority(theirs, ours string) bool {
	t, o := strings.Split(strings.Trim(theirs, "/"), "/"), strings.Split(strings.Trim(ours, "/"), "/")
	tGreedy, oGreedy := strings.HasSuffix(theirs, "+}"), strings.HasSuffix(ours, "+}")
	switch {
	case !oGreedy && tGreedy, !oGreedy && len(t) != len(o), oGreedy && len(t) < len(o):
		return false // ours has priority, or no request matches both
	}
	less, more := false, false
	for i, segment := range o {
		if strings.HasSuffix(segment, "+}") {
			break // the rest of ours matches anything
		}
		switch tVariable, oVariable := strings.HasPrefix(t[i], "{"), strings.HasPrefix(segment, "{"); {
		case !tVariable && !oVariable && t[i] != segment:
			return false // no request matches both
		case tVariable && !oVariable:
			less = true
		case !tVariable && oVariable:
			more = true
		}
	}
	return more || !less || oGreedy && !tGreedy
}

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

// existingApi takes the API of p. What it must not have can be added to it after
// the broker, so that this is checked at the end.
func (b *Broker) existingApi(p *Props) *api {
	b.Api = p.Api.Api
	if p.Domain != nil {
		b.faults.add("Domain: is for an API of the broker's own; set Api.Origin to where clients reach yours")
	}
	if *awscdk.Stack_Of(p.Api.Api).Node().Addr() != *b.stack.Node().Addr() {
		b.faults.add("Api: must be in the broker's stack, since its stage is given limits for the broker's routes")
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
		b.faults.add("Api: has no stage $default; make it with CreateDefaultStage")
	}
	b.Construct.Node().AddValidation(&apiValidation{b, p.Api})
	return a
}

// apiValidation finds what an API that exists must not have.
type apiValidation struct {
	b   *Broker
	api *ExistingApi
}

// Validate implements constructs.IValidation.
func (v *apiValidation) Validate() *[]*string {
	var f faults
	cfn, ok := v.api.Api.Node().DefaultChild().(awsapigatewayv2.CfnApi)
	if !ok {
		f.add("Api: is no API of this app")
		return jsii.Strings(f...)
	}
	if cfn.CorsConfiguration() != nil {
		f.add("Api: has a CORS configuration (CorsPreflight), which overrides the headers that the broker sends itself; remove it and answer CORS in your own routes")
	}
	if off, ok := cfn.DisableExecuteApiEndpoint().(bool); ok && off && v.api.Origin == "" {
		f.add("Api: its own endpoint is off, so that Api.Origin is required")
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
				f.add("Api: has the stage %s (%s), whose name is in every path, while the broker's issuer has none; $default can be the only one", *c.StageName(), path)
			}
			if variable := exposing.FindString(v.logFormat(c)); variable != "" {
				f.add("Api: the access log of its stage (%s) has %s, which holds codes or ids of clients; log $context.routeKey instead", path, variable)
			}
		case awsapigatewayv2.CfnRoute:
			if *c.ApiId() != *cfn.Ref() || strings.HasPrefix(path, inBroker) {
				continue
			}
			if ours := v.taken(*c.RouteKey()); ours != "" {
				f.add("Api: has the route %s (%s), which takes requests from the broker's %s", *c.RouteKey(), path, ours)
			}
		}
	}
	return jsii.Strings(f...)
}

// exposing is a variable of an access log with what is the client's in a request.
var exposing = regexp.MustCompile(`(?i)\$\{?(?:context\.(?:\w*path|\w*query\w*|\w*headers?|requestOverride)\b[\w.]*|(?:request|input)\b[\w.]*)`)

// logFormat is that of the access log of a stage, "" if it has none or has one
// that is known at deployment only.
func (v *apiValidation) logFormat(stage awsapigatewayv2.CfnStage) string {
	if stage.AccessLogSettings() == nil {
		return ""
	}
	settings, _ := v.b.stack.Resolve(stage.AccessLogSettings()).(map[string]any)
	format, _ := settings["format"].(string)
	return format
}

// taken is the key of the route of the broker's whose requests, or some of them,
// may go to a route with this key; "" if there is none.
func (v *apiValidation) taken(key string) string {
	_, theirs, ok := strings.Cut(key, " ")
	if !ok {
		return "" // $default, which is last
	}
	for _, r := range v.b.routes(true) {
		// By the path alone: a key with a method goes before one with ANY.
		if _, ours, _ := strings.Cut(r.key, " "); takes(theirs, ours) {
			return r.key
		}
	}
	return ""
}

// takes is whether API Gateway may choose the path theirs for a request that ours
// fits, too. It prefers a path without a greedy variable, and then the one that
// is more specific:
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
// What that leaves open is taken for a yes.
func takes(theirs, ours string) bool {
	t, o := strings.Split(strings.Trim(theirs, "/"), "/"), strings.Split(strings.Trim(ours, "/"), "/")
	tGreedy, oGreedy := strings.HasSuffix(theirs, "+}"), strings.HasSuffix(ours, "+}")
	switch {
	case !oGreedy && tGreedy, !oGreedy && len(t) != len(o), oGreedy && len(t) < len(o):
		return false // ours comes first, or nothing fits both
	}
	less, more := false, false
	for i, segment := range o {
		if strings.HasSuffix(segment, "+}") {
			break // whatever theirs has here
		}
		switch tVariable, oVariable := strings.HasPrefix(t[i], "{"), strings.HasPrefix(segment, "{"); {
		case !tVariable && !oVariable && t[i] != segment:
			return false // nothing fits both
		case tVariable && !oVariable:
			less = true
		case !tVariable && oVariable:
			more = true
		}
	}
	return more || !less || oGreedy && !tGreedy
}

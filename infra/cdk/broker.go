package dcrbroker

import (
	"cmp"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscognito"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// Broker is what was added to the stack. Its strings may hold tokens.
type Broker struct {
	// Construct is the broker in the construct tree, for tags and aspects.
	Construct constructs.Construct
	// Issuer is the authorization server, as MCP clients and servers name it.
	Issuer string
	// DeploymentID marks the app clients of this deployment.
	DeploymentID string
	// Api is the HTTP API.
	Api awsapigatewayv2.IHttpApi
	// Table keeps everything.
	Table awsdynamodb.Table
	// Keys is the secret with the sealing keys. In direct mode nobody reads it; it
	// is there for whoever goes back to brokered mode.
	Keys awssecretsmanager.Secret
	// UserPool is that of Props, or the one that was made.
	UserPool awscognito.IUserPool
	// CognitoDomain is the origin of the user pool's sign-in pages.
	CognitoDomain string
	// Functions are the Lambda functions.
	Functions Functions
	// DomainTarget is what the custom domain has to point at. "" without one.
	DomainTarget string

	mode      Mode
	apiID     *string
	scopes    []string
	functions map[function]awslambda.Function
	// deadLetters has starts that did not reach the janitor, and runs that failed.
	deadLetters awssqs.CfnQueue
	// told is what the janitor is told, and policyRead the read that the policy
	// document needs.
	told       map[string]*string
	policyRead awsiam.PolicyStatement
	stack      awscdk.Stack
	faults     faults
}

// Functions are the Lambda functions of a broker. Authorize and Provision are
// nil in direct mode.
type Functions struct {
	Register, Metadata, Token, Authorize, Provision, Janitor awslambda.Function
}

// New adds a broker to scope. What is wrong with props is reported when the app
// is synthesised, all of it at once; what New returns can be used until then.
func New(scope constructs.Construct, id string, props *Props) *Broker {
	p := withDefaults(props)
	b := &Broker{
		Construct: constructs.NewConstruct(scope, &id),
		mode:      p.Mode,
		functions: make(map[function]awslambda.Function),
		stack:     awscdk.Stack_Of(scope),
	}
	b.Construct.Node().AddValidation(&validation{b})
	for _, s := range p.Scopes {
		b.scopes = append(b.scopes, s.Name)
	}
	b.checkEdge(p)
	if p.ResourceBinding && !b.brokered() {
		b.faults.add("ResourceBinding: is for brokered mode")
	}
	if p.Policy.action != "" {
		b.policyRead = allow(&p.Policy.resource, p.Policy.action)
	}
	b.DeploymentID = b.deploymentID(p)
	b.addUserPool(p)
	b.addTable(p)
	b.addKeys(p)
	b.addDeadLetters()
	api := b.addApi(p)
	b.addFunctions(p)
	b.addRoutes(p, api)
	b.addSchedule(p)
	b.addAlarms(p)
	b.addDashboard()
	return b
}

// validation reports faults to the CDK, which makes one error of those of all
// constructs.
type validation struct{ b *Broker }

// Validate implements constructs.IValidation.
func (v *validation) Validate() *[]*string { return jsii.Strings(v.b.faults...) }

func (b *Broker) brokered() bool { return b.mode != Direct }

// present are the functions that the mode has. provision is before those that
// are told its name.
func (b *Broker) present() []function {
	if b.brokered() {
		return []function{register, metadata, provision, token, authorize, janitor}
	}
	return []function{register, metadata, token, janitor}
}

func withDefaults(props *Props) *Props {
	var p Props
	if props != nil {
		p = *props
	}
	p.Scopes = slices.Clone(p.Scopes)
	if p.Mode == "" {
		p.Mode = Brokered
	}
	p.LogLevel = cmp.Or(p.LogLevel, "info")
	if p.UserPool == nil && len(p.Scopes) == 0 {
		p.Scopes = []Scope{{Name: "openid"}, {Name: "mcp/read"}, {Name: "mcp/write"}}
	}
	if p.Architecture == nil {
		p.Architecture = awslambda.Architecture_ARM_64()
	}
	if p.RemovalPolicy == "" {
		p.RemovalPolicy = awscdk.RemovalPolicy_RETAIN
	}
	p.AppClientQuota = cmp.Or(p.AppClientQuota, 1000)
	if p.LogRetention == "" {
		p.LogRetention = awslogs.RetentionDays_ONE_MONTH
	}
	p.Throttle = p.Throttle.withDefaults()
	if p.Edge != nil {
		edge := *p.Edge
		edge.PerAddress, edge.RegisterPerAddress = cmp.Or(edge.PerAddress, 2000), cmp.Or(edge.RegisterPerAddress, 100)
		p.Edge = &edge
	}
	return &p
}

// deploymentID is outside the table and stays as long as the stack: it comes
// from the stack's id, arn:...:stack/NAME/GUID.
func (b *Broker) deploymentID(p *Props) string {
	if p.DeploymentID != "" {
		return p.DeploymentID
	}
	const taken = "DcrBrokerDeploymentID"
	if b.stack.Node().TryFindChild(jsii.String(taken)) != nil {
		b.faults.add("DeploymentID: is required for a second broker in a stack, since the default is made of the stack's id")
	} else {
		constructs.NewConstruct(b.stack, jsii.String(taken))
	}
	return *b.fromStackID(0) + *b.fromStackID(4)
}

// fromStackID returns a group of the hexadecimal digits of the stack's GUID.
func (b *Broker) fromStackID(group float64) *string {
	guid := awscdk.Fn_Select(jsii.Number(2), awscdk.Fn_Split(jsii.String("/"), b.stack.StackId(), nil))
	return awscdk.Fn_Select(&group, awscdk.Fn_Split(jsii.String("-"), guid, nil))
}

// given are the variables that come from resources and not from props.
func (b *Broker) given() map[string]string {
	v := map[string]string{
		"ISSUER":         b.Issuer,
		"AWS_REGION":     b.region(),
		"USER_POOL_ID":   *b.UserPool.UserPoolId(),
		"COGNITO_DOMAIN": b.CognitoDomain,
		"TABLE_NAME":     *b.Table.TableName(),
		"DEPLOYMENT_ID":  b.DeploymentID,
	}
	if b.brokered() {
		v["KEYS"] = "secretsmanager:" + *b.Keys.SecretArn()
	}
	return v
}

// region is for checks: some region, if the stack's is not known.
func (b *Broker) region() string {
	if r := *b.stack.Region(); !strings.Contains(r, "${") {
		return r
	}
	return "us-east-1"
}

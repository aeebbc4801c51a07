package dcrbroker

import (
	"cmp"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscognito"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// Broker is a broker in a stack. Its strings may contain tokens of the CDK.
type Broker struct {
	// Construct is the broker in the construct tree, for tags and aspects.
	Construct constructs.Construct
	// Issuer is the issuer identifier for MCP clients and servers.
	Issuer string
	// DeploymentID marks the app clients of this deployment.
	DeploymentID string
	// Api is the HTTP API.
	Api awsapigatewayv2.IHttpApi
	// Table has all records of the broker.
	Table awsdynamodb.Table
	// Keys is the secret with the sealing keys. Direct mode does not use it, but
	// has it for a return to brokered mode.
	Keys awssecretsmanager.Secret
	// EdgeSecret has what an edge sends in the header X-Edge-Secret. It is nil
	// unless Props.Edge is set or Props.OwnEdge is SecretEdge.
	EdgeSecret awssecretsmanager.Secret
	// UserPool is the user pool of Props, or the one that New created.
	UserPool awscognito.IUserPool
	// CognitoDomain is the origin of the user pool's sign-in pages.
	CognitoDomain string
	// Functions are the Lambda functions.
	Functions Functions
	// DomainTarget is the name that the custom domain must point to, or ""
	// without a custom domain.
	DomainTarget string

	mode  Mode
	apiID *string
	// scopes are the scopes of a new user pool's resource servers.
	scopes    []string
	functions map[function]awslambda.Function
	// deadLetters gets events that did not reach the janitor and runs that
	// failed.
	deadLetters awssqs.CfnQueue
	// janitorEnvironment has the variables of the janitor.
	janitorEnvironment map[string]*string
	stack              awscdk.Stack
	faults             faults
}

// Functions are the Lambda functions of a broker. Authorize and Provision are
// nil in direct mode.
type Functions struct {
	Register, Metadata, Token, Authorize, Provision, Janitor awslambda.Function
}

// New adds a broker to scope. All faults of props are reported together when the
// app is synthesised; until then the result can be used.
func New(scope constructs.Construct, id string, props *Props) *Broker {
	p := withDefaults(props)
	b := &Broker{
		Construct: constructs.NewConstruct(scope, &id),
		mode:      p.Mode,
		functions: make(map[function]awslambda.Function),
		stack:     awscdk.Stack_Of(scope),
	}
	b.Construct.Node().AddValidation(&validation{b})
	b.scopes = p.Scopes
	b.checkEdge(p)
	b.DeploymentID = b.deploymentID(p)
	b.addUserPool(p)
	b.addTable(p)
	b.addKeys(p)
	b.addEdgeSecret(p)
	b.addDeadLetters()
	api := b.addApi(p)
	b.addFunctions(p)
	b.addRoutes(p, api)
	b.addSchedule(p)
	b.addAlarms(p)
	b.addDashboard()
	return b
}

// validation reports the faults to the CDK, which returns those of all
// constructs in one error.
type validation struct{ b *Broker }

// Validate implements constructs.IValidation.
func (v *validation) Validate() *[]*string { return jsii.Strings(v.b.faults...) }

func (b *Broker) brokered() bool { return b.mode != Direct }

// modeFunctions returns the functions of the mode. provision comes before the
// functions whose environment has its name.
func (b *Broker) modeFunctions() []function {
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
		p.Scopes = []string{"mcp/read", "mcp/write"}
	}
	if p.Architecture == nil {
		p.Architecture = awslambda.Architecture_ARM_64()
	}
	if p.RemovalPolicy == "" {
		p.RemovalPolicy = awscdk.RemovalPolicy_RETAIN
	}
	if p.LogRetention == "" {
		p.LogRetention = awslogs.RetentionDays_ONE_MONTH
	}
	p.Throttle = p.Throttle.withDefaults()
	if p.Edge != nil {
		edge := *p.Edge
		edge.PerAddress, edge.RegisterPerAddress = cmp.Or(edge.PerAddress, 2000), cmp.Or(edge.RegisterPerAddress, 60)
		edge.SecretVersion = cmp.Or(edge.SecretVersion, 1)
		p.Edge = &edge
	}
	return &p
}

// deploymentID returns the deployment id. The default comes from the stack's
// id, arn:...:stack/NAME/GUID, so that it does not depend on the table and
// stays the same as long as the stack exists.
func (b *Broker) deploymentID(p *Props) string {
	if p.DeploymentID != "" {
		return p.DeploymentID
	}
	const taken = "DcrBrokerDeploymentID"
	if b.stack.Node().TryFindChild(jsii.String(taken)) != nil {
		b.faults.add("DeploymentID: is required for a second broker in a stack, since the default comes from the stack's id")
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

// resourceVariables returns the variables that come from resources and not from
// props.
func (b *Broker) resourceVariables(p *Props) map[string]string {
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
	if b.EdgeSecret != nil {
		v["EDGE"] = "secretsmanager:" + *b.EdgeSecret.SecretArn()
	} else {
		v["EDGE"] = string(p.OwnEdge)
	}
	return v
}

// region returns the stack's region, or any region if it is not known. The
// checks of the configuration need one.
func (b *Broker) region() string {
	if r := *b.stack.Region(); !strings.Contains(r, "${") {
		return r
	}
	return "us-east-1"
}

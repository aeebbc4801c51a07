package dcrbroker

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/jsii-runtime-go"
)

// settings are the settings of a function. docs/adr/0013-function-settings.md has
// the reasons.
type settings struct {
	id, description string
	memory, timeout float64 // MB, seconds
	// internet is whether the function faces the internet.
	internet bool
}

var settingsOf = map[function]settings{
	register:  {"Register", "Registers clients (RFC 7591) and manages registrations (RFC 7592).", 512, 28, true},
	metadata:  {"Metadata", "The well-known documents, and every path that there is not.", 256, 10, true},
	token:     {"Token", "The token, revocation and introspection endpoints.", 512, 28, true},
	authorize: {"Authorize", "The authorization endpoint and its pages.", 512, 28, true},
	provision: {"Provision", "Makes app clients, for the functions that face the internet.", 256, 30, false},
	janitor:   {"Janitor", "Removes what has come to the end of its life, and finishes or undoes what was left half done.", 256, 900, false},
}

// addFunctions creates the functions, each with the variables that it reads and a
// role with the permissions that it needs.
func (b *Broker) addFunctions(p *Props) {
	k := b.packages(p)
	defer k.clean()
	env := environmentOf(p, b.resourceVariables(p))
	for _, f := range b.modeFunctions() {
		vars, faults := env.of(f)
		for _, fault := range faults {
			b.faults.add("%s", inProps(fault.Error()))
		}
		made := b.addFunction(p, f, vars, k.code(f))
		if f == provision {
			env.values["PROVISION_FUNCTION"] = *made.FunctionName()
		}
		if f == janitor {
			b.janitorEnvironment = vars
		}
		b.functions[f] = made
	}
	fs := b.functions
	b.Functions = Functions{fs[register], fs[metadata], fs[token], fs[authorize], fs[provision], fs[janitor]}
}

func (b *Broker) addFunction(p *Props, f function, vars map[string]*string, code awslambda.Code) awslambda.Function {
	s := settingsOf[f]
	logs := awslogs.NewLogGroup(b.Construct, jsii.String(s.id+"Logs"), &awslogs.LogGroupProps{
		Retention: p.LogRetention, RemovalPolicy: awscdk.RemovalPolicy_DESTROY,
	})
	props := &awslambda.FunctionProps{
		Description:  &s.description,
		Runtime:      awslambda.Runtime_PROVIDED_AL2023(),
		Architecture: p.Architecture,
		Handler:      jsii.String("bootstrap"),
		Code:         code,
		MemorySize:   &s.memory,
		Timeout:      awscdk.Duration_Seconds(&s.timeout),
		Environment:  &vars,
		LogGroup:     logs,
		Role:         b.addRole(p, f, logs),
	}
	if s.internet && p.ReservedConcurrency > 0 {
		props.ReservedConcurrentExecutions = jsii.Number(p.ReservedConcurrency)
	}
	made := awslambda.NewFunction(b.Construct, jsii.String(s.id+"Function"), props)
	mode := "PassThrough"
	if p.Tracing {
		mode = "Active"
	}
	// The property Tracing of the CDK's function would add a policy to the role.
	made.Node().DefaultChild().(awslambda.CfnFunction).SetTracingConfig(&awslambda.CfnFunction_TracingConfigProperty{Mode: &mode})
	return made
}

func (b *Broker) addRole(p *Props, f function, logs awslogs.LogGroup) awsiam.Role {
	s := settingsOf[f]
	statements := []awsiam.PolicyStatement{allow(logs.LogGroupArn(), "logs:CreateLogStream", "logs:PutLogEvents")}
	statements = append(statements, b.rights(p, f)...)
	role := awsiam.NewRole(b.Construct, jsii.String(s.id+"Role"), &awsiam.RoleProps{
		AssumedBy: awsiam.NewServicePrincipal(jsii.String("lambda.amazonaws.com"), nil),
		InlinePolicies: &map[string]awsiam.PolicyDocument{
			string(f): awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{Statements: &statements}),
		},
	})
	if p.Tracing {
		suppressNag(role.Node().DefaultChild().(awscdk.CfnResource), "IAM5", "Traces are no resource to IAM.")
	}
	return role
}

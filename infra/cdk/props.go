package dcrbroker

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscognito"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// Props are the settings of a broker that connect it with AWS. Everything else is
// in its configuration, which dcrctl stores in the table. With UserPool,
// CognitoDomain is required; the zero value of every other field means its
// default.
//
// Strings may contain tokens of the CDK. The synthesis fails if other values have
// faults; the error lists all faults.
type Props struct {
	// Mode is Brokered or Direct. Default: Brokered.
	Mode Mode
	// DeploymentID marks the app clients of this deployment: 1 to 32 of a-z,
	// 0-9 and -. It must never change. Default: 20 characters of the stack's
	// id, which stay the same as long as the stack exists. Required for a
	// second broker in one stack, and for a new stack with a table that was
	// retained.
	DeploymentID string
	// LogLevel is debug, info, warn or error. Default: info.
	LogLevel string

	// UserPool is the user pool in which users sign in. It must be in the
	// region of the stack. Default: a new user pool on the plan Essentials,
	// without self sign-up, which is retained when the stack is deleted.
	UserPool awscognito.IUserPool
	// CognitoDomain is the origin of the sign-in pages of UserPool, such as
	// https://example.auth.us-east-1.amazoncognito.com. Required with UserPool.
	CognitoDomain string
	// LoginVersion is the version of the sign-in pages of UserPool: 1, classic,
	// or 2, managed login. Default: 1. A new user pool has 2 in brokered mode
	// and 1 in direct mode.
	LoginVersion int
	// CognitoIssuer is iss in the tokens of UserPool. Set it if the pool uses the
	// updated issuer. Default: the original issuer.
	CognitoIssuer string
	// DomainPrefix is the first label of the domain of a new user pool. It must
	// be unique in the region. Default: derived from the id of the stack.
	DomainPrefix string
	// Scopes are the scopes that a new user pool gets besides Cognito's own. The
	// form is IDENTIFIER/SCOPE; each identifier becomes a resource server.
	// Clients get only those that the configuration has too. Not with UserPool.
	// Default: mcp/read and mcp/write.
	Scopes []string

	// Domain is the broker's own domain. Default: the domain of the API,
	// https://{id}.execute-api.{region}.amazonaws.com. Clients store the
	// issuer, and register again if it changes.
	Domain *Domain
	// Api is an existing HTTP API to which the broker is added, see ExistingApi.
	// Default: an API of its own.
	Api *ExistingApi
	// Throttle limits the requests of all callers together.
	Throttle Throttle
	// Edge puts a CloudFront distribution with AWS WAF in front of the broker. It
	// requires Domain.
	Edge *Edge
	// OwnEdge is an edge that the construct does not create. It requires Domain.
	// Default: none.
	OwnEdge OwnEdge

	// Dist is the directory with the packages that make dist builds,
	// FUNCTION_arm64.zip and FUNCTION_amd64.zip. Default: dist.
	Dist string
	// SourceDir is a checkout of the broker from which the functions are built,
	// with Go and without Docker. Default: the packages in Dist are used.
	SourceDir string
	// Architecture of the functions. Default: ARM_64.
	Architecture awslambda.Architecture
	// ReservedConcurrency is the reserved concurrency of each function that faces
	// the internet. Default: none, and no limit.
	ReservedConcurrency int
	// JanitorSchedule is when the janitor runs. Default: every hour. An alarm
	// is raised if no run has completed for three hours, so it is always raised
	// with a schedule that is less frequent than that.
	JanitorSchedule awsevents.Schedule
	// Tracing turns on Lambda's active tracing, which sends traces of the
	// functions' invocations to AWS X-Ray. AWS charges for each trace.
	Tracing bool

	// RemovalPolicy of the table and the keys. Default: RETAIN. Any value except
	// DESTROY also enables deletion protection of the table. A new user pool is
	// retained in any case.
	RemovalPolicy awscdk.RemovalPolicy
	// LogRetention is the retention time of logs. Default: a month.
	LogRetention awslogs.RetentionDays
	// AlarmTopic gets the notifications of alarms. Default: alarms notify no one.
	AlarmTopic awssns.ITopic
}

// Mode is the authorization server that clients see.
type Mode = broker.Mode

const (
	// Brokered is the broker in front of Cognito, with a consent page.
	Brokered = broker.ModeBrokered
	// Direct is Cognito itself, with an app client for each registration.
	// Before you use it, read in docs/threat-model.md what it does not protect
	// against.
	Direct = broker.ModeDirect
)

// Domain is a domain of the broker's own. The issuer is https://Name.
type Domain struct {
	// Name is the host in lower case. Required.
	Name string
	// CertificateARN names the certificate for Name, in the region of the stack.
	// Required.
	CertificateARN string
	// HostedZoneID is the Route 53 zone in which the records are created.
	// Default: no records are created; point Name to the output DomainTarget.
	HostedZoneID string
}

// Throttle limits requests with the token buckets of API Gateway. All callers
// share them, and one caller that empties a bucket blocks all others. So they
// limit costs but do not protect from attacks. Edge limits each address.
type Throttle struct {
	// Default is for each route that is not named below. It is not used with
	// Props.Api, which has its own default. Default: 100 a second, burst 200.
	Default Rate
	// Register is for /register. Default: 10 a second, burst 20.
	Register Rate
	// Authorize is for /authorize. Default: 50 a second, burst 100.
	Authorize Rate
	// Token is for /token. Default: 100 a second, burst 200.
	Token Rate
}

// Rate is a number of requests per second, and a number of requests at once.
type Rate struct {
	PerSecond, Burst int
}

// OwnEdge is an edge that is not of the construct.
type OwnEdge string

const (
	// SecretEdge sends the value of Broker.EdgeSecret in the header X-Edge-Secret,
	// and the client's address in CloudFront-Viewer-Address. The functions refuse
	// other requests.
	SecretEdge OwnEdge = "secret"
	// HiddenEdge sends no secret, so that the addresses of clients are not known.
	HiddenEdge OwnEdge = "hidden"
)

// Edge is a CloudFront distribution with AWS WAF in front of the broker. The
// functions refuse requests that do not come through CloudFront.
type Edge struct {
	// CertificateARN names the certificate for Domain.Name in us-east-1, the
	// region that CloudFront requires. Default in a stack in us-east-1:
	// Domain.CertificateARN.
	CertificateARN string
	// WebACLARN names a web ACL of scope CLOUDFRONT, which must be in us-east-1.
	// Default in a stack in us-east-1: a new web ACL.
	WebACLARN string
	// PerAddress is how many requests one address may send in five minutes, and
	// RegisterPerAddress how many to /register, with the new web ACL. Default:
	// 2000, 60.
	PerAddress, RegisterPerAddress int
	// SecretVersion is raised after the value of Broker.EdgeSecret has changed, so
	// that CloudFront gets the new value. Default: 1.
	SecretVersion int
}

// ExistingApi is an HTTP API to which the broker is added. The API keeps its
// $default route; the broker adds routes for its metadata instead.
//
// The synthesis fails unless the API meets these conditions. It has the stage
// $default and no other, because the broker's issuer has no path. It has no
// CORS configuration, which would override the broker's. None of its own routes
// has a path of the broker's, with any method, or a more specific one. Its
// access log has no path, query or header ($context.path), which can contain
// codes and client ids.
type ExistingApi struct {
	// Api is the API. It cannot be one that is imported by its id, whose stages
	// and CORS configuration are not known.
	Api awsapigatewayv2.HttpApi
	// Origin is the origin at which clients reach the API: scheme and host, in
	// lower case, no trailing slash. Default: the API's own endpoint.
	Origin string
}

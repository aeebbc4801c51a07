package dcrbroker

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscognito"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// Props say what to deploy. With a UserPool, CognitoDomain and Scopes are
// required; the zero value of everything else is its default.
//
// Strings may hold tokens of the CDK. What is wrong with the rest, policy
// document included, fails the synthesis, all faults at once.
type Props struct {
	// Mode is Brokered or Direct. Default: Brokered.
	Mode Mode
	// DeploymentID marks the app clients of this deployment: 1 to 32 of a-z, 0-9
	// and -. It must never change. Default: 20 characters of the stack's id,
	// which stay as long as the stack does. Required for a second broker in one
	// stack, and when a stack is made again around a table that was kept.
	DeploymentID string
	// LogLevel is debug, info, warn or error. Default: info.
	LogLevel string

	// UserPool is where users sign in. It must be in the region of the stack.
	// Default: one is made on the plan Essentials, without self sign-up, and kept
	// when the stack is removed.
	UserPool awscognito.IUserPool
	// CognitoDomain is the origin of the sign-in pages of UserPool, such as
	// https://example.auth.us-east-1.amazoncognito.com. Required with UserPool.
	CognitoDomain string
	// LoginVersion is that of the sign-in pages of UserPool: 1, the classic ones,
	// or 2, managed login. Default: 1. A pool that is made has 2 in brokered mode
	// and 1 in direct mode.
	LoginVersion int
	// CognitoIssuer is iss in the tokens of UserPool. Set it if the pool uses the
	// updated issuer. Default: that of a pool that does not.
	CognitoIssuer string
	// DomainPrefix is the first label of the domain of a pool that is made, which
	// nobody else may have in the region. Default: one from the id of the stack.
	DomainPrefix string
	// IdentityProviders are what the sign-in page offers. Default: COGNITO, the
	// users of the pool itself.
	IdentityProviders []string

	// Scopes are those that the deployment offers. They must be in UserPool. In a
	// pool that is made, those with a slash are made as scopes of resource
	// servers, IDENTIFIER/SCOPE. Required with UserPool. Default otherwise:
	// openid, mcp/read and mcp/write.
	Scopes []Scope
	// ScopesSupported are the names of those that the metadata publishes: what
	// whoever registers openly gets. Default: Scopes, less
	// aws.cognito.signin.user.admin, and in brokered mode less openid.
	ScopesSupported []string
	// GrantTypesSupported are those that the metadata publishes. Default:
	// authorization_code, refresh_token.
	GrantTypesSupported []string
	// ProtectedResources are the MCP servers for which the broker publishes
	// metadata (RFC 9728).
	ProtectedResources []ProtectedResource
	// ResourceBinding is whether the pool binds tokens to the resource asked for,
	// which takes the plan Essentials or Plus and LoginVersion 2. Without it no
	// two protected resources may share a scope.
	ResourceBinding bool
	// ForwardResource hands the resource parameter at /token on to Cognito.
	// Direct mode.
	ForwardResource bool
	// IntrospectionClients are the protected resources that may introspect.
	// Brokered mode.
	IntrospectionClients []IntrospectionClient
	// Policy says who may register what: see PolicyFile, PolicyInParameter and
	// PolicyInBucket. Default: the one that ships with the broker.
	Policy Policy
	// Brand is how the pages look. Brokered mode.
	Brand Brand

	// AccessTokenLifetime is 5 minutes to 24 hours. Default: an hour.
	AccessTokenLifetime time.Duration
	// IDTokenLifetime is 5 minutes to 24 hours. Default: an hour.
	IDTokenLifetime time.Duration
	// RefreshTokenLifetime is an hour to ten years. Default: 30 days.
	RefreshTokenLifetime time.Duration
	// NoRefreshTokenRotation is for direct mode with a pool whose plan has no
	// rotation.
	NoRefreshTokenRotation bool

	// Domain is the broker's own domain. Default: the domain that API Gateway
	// gives an API, https://{id}.execute-api.{region}.amazonaws.com. Clients keep
	// the issuer: one that changes makes them register again.
	Domain *Domain
	// Api adds the broker to an HTTP API that exists, see ExistingApi. Default:
	// an API of its own.
	Api *ExistingApi
	// Throttle limits the requests of all callers together.
	Throttle Throttle
	// Edge puts a CloudFront distribution with AWS WAF in front. It takes Domain.
	Edge *Edge

	// Dist is the directory with the functions as make dist makes them,
	// FUNCTION_arm64.zip and FUNCTION_amd64.zip. Default: dist.
	Dist string
	// SourceDir is a checkout of the broker, from which the functions are built
	// with Go and no Docker. Default: they are taken from Dist.
	SourceDir string
	// Architecture of the functions. Default: ARM_64.
	Architecture awslambda.Architecture
	// ReservedConcurrency is how many processes each function that faces the
	// internet may have at a time, set aside for it in the account. Default: none
	// are set aside, and there is no limit.
	ReservedConcurrency int
	// JanitorSchedule is when the janitor runs. Default: every hour. There is an
	// alarm for three hours in which no run came to its end, so that it rings if
	// this is rarer.
	JanitorSchedule awsevents.Schedule
	// AppClientQuota is how many app clients the pool can have. It is what is
	// measured against, and sets nothing. Default: 1000, which is Cognito's unless
	// AWS has raised it.
	AppClientQuota int
	// Tracing turns on Lambda's active tracing, which sends traces of the
	// functions' invocations to AWS X-Ray. AWS charges for each trace.
	Tracing bool

	// RemovalPolicy of the table and the keys. Default: RETAIN. Any other than
	// DESTROY protects the table from deletion, too. A pool that is made is kept
	// in any case.
	RemovalPolicy awscdk.RemovalPolicy
	// LogRetention is how long logs are kept. Default: a month.
	LogRetention awslogs.RetentionDays
	// AlarmTopic is told of alarms. Default: nobody is told; the alarms are there.
	AlarmTopic awssns.ITopic
}

// Mode says which authorization server clients see.
type Mode = broker.Mode

const (
	// Brokered has the broker in front of Cognito, with a consent page.
	Brokered = broker.ModeBrokered
	// Direct has Cognito itself, with an app client for each registration. Read
	// what it does not defend in docs/threat-model.md first.
	Direct = broker.ModeDirect
)

// Scope is a scope that the deployment offers.
type Scope struct {
	// Name is the scope as clients ask for it: mcp/read, or openid.
	Name string
	// Description is what the consent page says that it allows. Default: what
	// the broker has to say of Cognito's own, and otherwise the name.
	Description string
}

// ProtectedResource is an MCP server.
type ProtectedResource struct {
	// Resource is its resource identifier: its URL as clients type it.
	Resource string `json:"resource"`
	// Scopes are those that it asks for.
	Scopes []string `json:"scopes"`
	// Name is shown to people.
	Name string `json:"name,omitempty"`
}

// IntrospectionClient is a protected resource that may ask about tokens.
type IntrospectionClient struct {
	// ID is its name in HTTP basic authentication.
	ID string `json:"id"`
	// SecretSHA256 is the SHA-256 of its password, in hexadecimal.
	SecretSHA256 string `json:"secret_sha256"`
	// Resource is the one of ProtectedResources that it is.
	Resource string `json:"resource"`
}

// Brand is how the pages of brokered mode look.
type Brand struct {
	// Name of the operator. Default: the host of the issuer.
	Name string
	// Logo is a PNG or SVG file on this machine, of 64 KiB at most. It is packed
	// with the function that shows it.
	Logo string
	// Accent is a colour, as #rrggbb. Default: ours.
	Accent string
}

// Domain is a domain of the broker's own. The issuer is https://Name.
type Domain struct {
	// Name is the host in lower case. Required.
	Name string
	// CertificateARN names the certificate for Name, in the region of the stack.
	// Required.
	CertificateARN string
	// HostedZoneID is the Route 53 zone in which the records are made. Default:
	// none are made, and the output DomainTarget says what to point Name at.
	HostedZoneID string
}

// Throttle limits requests with the token buckets of API Gateway. They are
// shared by all callers: whoever empties one stops everybody else, so that they
// are a limit of cost and no defence. Edge limits each address.
type Throttle struct {
	// Default is for each route that is not named below. It is not used with
	// Props.Api, whose default is its own. Default: 100 a second, burst 200.
	Default Rate
	// Register is for /register. Default: 10 a second, burst 20.
	Register Rate
	// Authorize is for /authorize. Default: 50 a second, burst 100.
	Authorize Rate
	// Token is for /token. Default: 100 a second, burst 200.
	Token Rate
}

// Rate is requests in a second, and how many may come at once.
type Rate struct {
	PerSecond, Burst int
}

// Edge is a CloudFront distribution with AWS WAF in front of the broker. The API
// stays within reach of who asks API Gateway for Domain.Name past CloudFront.
type Edge struct {
	// CertificateARN names the certificate for Domain.Name in us-east-1, where
	// CloudFront wants it. Default: Domain.CertificateARN, in a stack in
	// us-east-1.
	CertificateARN string
	// WebACLARN names a web ACL of scope CLOUDFRONT, which exists in us-east-1
	// alone. Default: one is made, in a stack in us-east-1.
	WebACLARN string
	// PerAddress is how many requests one address may send in five minutes, and
	// RegisterPerAddress how many to /register. For the web ACL that is made.
	// Default: 2000, 100.
	PerAddress, RegisterPerAddress int
}

// ExistingApi is an HTTP API to which the broker is added. The broker's routes
// then include those of its metadata instead of $default, which stays the
// API's own.
//
// The API must have the stage $default and no other, since the broker's issuer
// has no path, and no CORS configuration, which would override the broker's. No
// route of its own may be on a path of the broker's, with whatever method, or be
// more specific. Its access log may have no path, query or header ($context.path),
// which hold codes and ids of clients. Else the synthesis fails.
type ExistingApi struct {
	// Api is the API. One that is imported by its id does not do: its stages and
	// CORS are not known.
	Api awsapigatewayv2.HttpApi
	// Origin is that under which clients reach the API: scheme and host, in lower
	// case, no trailing slash. Default: the API's own endpoint.
	Origin string
}

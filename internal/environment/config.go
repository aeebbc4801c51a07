// Package environment turns the environment and the policy file into a checked
// configuration, and does nothing else: it opens no connection and links no AWS
// SDK. Every fault is reported at once, so that a deployment is corrected in
// one go.
package environment

import (
	"log/slog"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
)

// Config is what the broker is told by its environment. The variable that sets
// a field is named in its comment. Each function reads only the part it needs;
// see Metadata, Token and Registration.
type Config struct {
	// Issuer (ISSUER) is the broker's own origin, as clients see it: https, no
	// path, no trailing slash; http only for a loopback host. Required.
	Issuer string
	// Mode (AUTHORIZATION) says who the authorization server is that
	// clients see: brokered, the broker in front of Cognito, or direct, Cognito
	// itself with an app client for each registration. Default: brokered.
	Mode broker.Mode
	// LogLevel (LOG_LEVEL) is debug, info, warn or error. Default: info.
	LogLevel slog.Level

	// Region (AWS_REGION) is where the user pool and the table are. Required.
	Region string
	// UserPoolID (USER_POOL_ID) names the user pool. Required.
	UserPoolID string
	// CognitoIssuer (COGNITO_ISSUER) is the issuer in the pool's tokens, under
	// which its discovery document is. Default:
	// https://cognito-idp.{region}.amazonaws.com/{user pool id}, which is not
	// what a pool with an updated issuer has.
	CognitoIssuer string
	// CognitoDomain (COGNITO_DOMAIN) is the origin of the pool's sign-in pages
	// as browsers reach it, such as
	// https://example.auth.us-east-1.amazoncognito.com. Required.
	CognitoDomain string
	// CognitoBackChannel (COGNITO_BACK_CHANNEL) is the origin under which the
	// broker itself reaches the pool's token endpoint. Default: CognitoDomain.
	CognitoBackChannel string
	// CognitoDiscovery (COGNITO_DISCOVERY) is the URL from which the broker
	// fetches the pool's discovery document. Default:
	// {CognitoIssuer}/.well-known/openid-configuration.
	CognitoDiscovery string
	// CognitoEndpoint (COGNITO_ENDPOINT) is the origin of Cognito's API.
	// Default: that of the region.
	CognitoEndpoint string

	// Scopes (SCOPES), separated by spaces, are those that the deployment
	// offers. Each must exist in the user pool. Required.
	Scopes []string
	// ScopesSupported (SCOPES_SUPPORTED) are those that the metadata publishes:
	// what every registered client may get. Default: Scopes, less
	// aws.cognito.signin.user.admin.
	ScopesSupported []string
	// GrantTypesSupported (GRANT_TYPES_SUPPORTED) are those that the metadata
	// publishes. Default: authorization_code refresh_token.
	GrantTypesSupported []string
	// ProtectedResources (PROTECTED_RESOURCES) are the MCP servers for which
	// the broker publishes protected resource metadata (RFC 9728): a JSON array
	// of objects with resource, scopes and, if wanted, name.
	ProtectedResources []broker.Resource
	// ForwardResource (FORWARD_RESOURCE) is whether /token hands the resource
	// parameter (RFC 8707) on to Cognito: true or false. Default: false, since
	// Cognito documents none there and binds the resource at its authorize
	// endpoint.
	ForwardResource bool

	// ResourceBinding (RESOURCE_BINDING) is whether the user pool binds access
	// tokens to the resource that was asked for (RFC 8707), which needs the plan
	// Essentials or Plus and managed login: true or false. Without it no two
	// protected resources may share a scope. Default: false. Brokered only.
	ResourceBinding bool
	// LoginVersion (LOGIN_VERSION) is the version of the domain's sign-in pages:
	// 1, the classic ones, or 2, managed login, where every app client needs a
	// branding style. Default: 1. Brokered only.
	LoginVersion int
	// ScopeDescriptions (SCOPE_DESCRIPTIONS) say on the consent page what a
	// scope allows: a JSON object of scope and text. Brokered only.
	ScopeDescriptions map[string]string
	// BrandName (BRAND_NAME) is the operator's name on the pages. Default: the
	// host of the issuer. Brokered only.
	BrandName string
	// BrandLogo (BRAND_LOGO) is the path of a PNG or SVG file for the pages.
	// Brokered only.
	BrandLogo string
	// BrandAccent (BRAND_ACCENT) is the accent colour of the pages, as #rrggbb.
	// Brokered only.
	BrandAccent string
	// IntrospectionClients (INTROSPECTION_CLIENTS) are the protected resources
	// that may ask about tokens at /introspect: a JSON array of objects with id,
	// secret_sha256 (hexadecimal) and resource. Brokered only.
	IntrospectionClients []IntrospectionClient
	// Keys (KEYS) says where the keys are that seal what Cognito hands out: a
	// path, secretsmanager:ID, ssm:NAME or s3://BUCKET/KEY. Required if brokered.
	Keys string
	// KeysEndpoint (KEYS_ENDPOINT) is the origin of the service that Keys names.
	// Default: that of the region.
	KeysEndpoint string
	// ProvisionFunction (PROVISION_FUNCTION) is the name of the function that
	// makes app clients. Required by the functions that face the internet, if
	// brokered.
	ProvisionFunction string
	// LambdaEndpoint (LAMBDA_ENDPOINT) is the origin of Lambda's API, by which
	// that function is invoked. Default: that of the region.
	LambdaEndpoint string

	// Table (TABLE_NAME) is the DynamoDB table. Required.
	Table string
	// DynamoDBEndpoint (DYNAMODB_ENDPOINT) is the origin of DynamoDB. Default:
	// that of the region.
	DynamoDBEndpoint string

	// Deployment (DEPLOYMENT_ID) tells the app clients of this deployment from
	// everybody else's: 1 to 32 of a-z, 0-9 and -. It must never change, and no
	// two deployments on one pool may share it. Required.
	Deployment string
	// AppClientQuota (APP_CLIENT_QUOTA) is how many app clients the user pool can
	// have, which the janitor measures against: 1 to 10000000. Default: 1000,
	// which is Cognito's unless AWS has raised it.
	AppClientQuota int
	// PolicyDocument (POLICY) says where the policy document is: the path of a
	// file, ssm:NAME for an SSM parameter, s3://BUCKET/KEY, or
	// secretsmanager:ID. Default: the document that ships with the broker.
	PolicyDocument string
	// Policy is the document, checked, if it is a file or the one that ships.
	// One that is elsewhere is read at first use, and Policy is nil.
	Policy *policy.Policy
	// IdentityProviders (IDENTITY_PROVIDERS), separated by commas, are those
	// that the sign-in page of a registered client offers. Default: COGNITO.
	IdentityProviders []string
	// AccessTokenLifetime (ACCESS_TOKEN_LIFETIME), 5m to 24h. Default: 1h.
	AccessTokenLifetime time.Duration
	// IDTokenLifetime (ID_TOKEN_LIFETIME), 5m to 24h. Default: 1h.
	IDTokenLifetime time.Duration
	// RefreshTokenLifetime (REFRESH_TOKEN_LIFETIME), 1h to 87600h, and not less
	// than the others. Default: 720h.
	RefreshTokenLifetime time.Duration
	// RefreshTokenRotation (REFRESH_TOKEN_ROTATION) is whether each refresh
	// brings a new refresh token, as OAuth 2.1 wants for public clients: true or
	// false. Default: true. A pool whose plan has no rotation needs false.
	RefreshTokenRotation bool
}

// IntrospectionClient is a protected resource that may ask about tokens.
type IntrospectionClient struct {
	ID string `json:"id"`
	// SecretSHA256 is the SHA-256 of its secret, in hexadecimal.
	SecretSHA256 string `json:"secret_sha256"`
	// Resource is the protected resource that it is.
	Resource string `json:"resource"`
}

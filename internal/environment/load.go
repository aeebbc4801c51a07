package environment

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// Metadata reads what the metadata function needs. getenv is os.Getenv or
// something like it. The error lists every fault, one to a line.
func Metadata(getenv func(string) string) (*Config, error) {
	e := &env{getenv: getenv}
	c := &Config{}
	e.server(c)
	e.published(c)
	return c, e.err()
}

// Token reads what the token function needs.
func Token(getenv func(string) string) (*Config, error) {
	e := &env{getenv: getenv}
	c := &Config{}
	e.server(c)
	e.storage(c)
	c.ForwardResource = e.boolean("FORWARD_RESOURCE", false)
	if c.Mode == broker.ModeBrokered {
		e.published(c)
		e.policy(c)
		e.keys(c)
		e.provisioner(c)
		e.resourceBinding(c)
		e.introspection(c)
	}
	return c, e.err()
}

// Registration reads what the register function needs, the policy file
// included.
func Registration(getenv func(string) string) (*Config, error) {
	e := &env{getenv: getenv}
	c := &Config{}
	e.server(c)
	e.storage(c)
	e.published(c)
	e.policy(c)
	if c.Mode == broker.ModeDirect {
		e.appClients(c)
	}
	e.keys(c)
	return c, e.err()
}

// AppClients reads what the functions need that make and remove app clients in
// brokered mode: provision and the janitor.
func AppClients(getenv func(string) string) (*Config, error) {
	e := &env{getenv: getenv}
	c := &Config{}
	e.server(c)
	e.storage(c)
	e.published(c)
	e.policy(c)
	e.appClients(c)
	e.keys(c)
	e.resourceBinding(c)
	return c, e.err()
}

// env reads variables and collects what is wrong with them.
type env struct {
	getenv func(string) string
	faults []error
}

func (e *env) fault(name, format string, args ...any) {
	e.faults = append(e.faults, fmt.Errorf("%s: %s", name, fmt.Sprintf(format, args...)))
}

func (e *env) err() error { return errors.Join(e.faults...) }

func (e *env) required(name string) string {
	v := e.getenv(name)
	if v == "" {
		e.fault(name, "must be set")
	}
	return v
}

func (e *env) or(name, otherwise string) string {
	if v := e.getenv(name); v != "" {
		return v
	}
	return otherwise
}

func (e *env) server(c *Config) {
	if c.Issuer = e.required("ISSUER"); c.Issuer != "" {
		e.origin("ISSUER", c.Issuer)
	}
	if err := c.LogLevel.UnmarshalText([]byte(e.or("LOG_LEVEL", "info"))); err != nil {
		e.fault("LOG_LEVEL", "want debug, info, warn or error")
	}
	e.authorization(c)
	c.Region = e.required("AWS_REGION")
	if c.UserPoolID = e.required("USER_POOL_ID"); c.UserPoolID != "" && !isUserPoolID(c.UserPoolID) {
		e.fault("USER_POOL_ID", "%q is not a user pool id such as us-east-1_AbCdEfGhI", c.UserPoolID)
	}
	c.CognitoIssuer = e.or("COGNITO_ISSUER", "https://cognito-idp."+c.Region+".amazonaws.com/"+c.UserPoolID)
	e.url("COGNITO_ISSUER", c.CognitoIssuer)
	if c.CognitoDomain = e.required("COGNITO_DOMAIN"); c.CognitoDomain != "" {
		e.origin("COGNITO_DOMAIN", c.CognitoDomain)
	}
	// Another host of the same machine or network: plain http is right there.
	if c.CognitoBackChannel = e.or("COGNITO_BACK_CHANNEL", c.CognitoDomain); c.CognitoBackChannel != "" {
		e.anyOrigin("COGNITO_BACK_CHANNEL", c.CognitoBackChannel)
	}
	c.CognitoDiscovery = e.or("COGNITO_DISCOVERY", c.CognitoIssuer+"/.well-known/openid-configuration")
	e.url("COGNITO_DISCOVERY", c.CognitoDiscovery)
}

func (e *env) authorization(c *Config) {
	switch c.Mode = broker.Mode(e.or("AUTHORIZATION", string(broker.ModeBrokered))); c.Mode {
	case broker.ModeBrokered, broker.ModeDirect:
	default:
		e.fault("AUTHORIZATION", "want brokered or direct, not %q", c.Mode)
	}
}

// isUserPoolID holds for region_id, the id being letters and digits.
func isUserPoolID(s string) bool {
	region, id, ok := strings.Cut(s, "_")
	return ok && region != "" && id != "" && only(region, alnum+"-") && only(id, alnum)
}

const (
	lower = "abcdefghijklmnopqrstuvwxyz0123456789"
	alnum = lower + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

func only(s, alphabet string) bool { return strings.Trim(s, alphabet) == "" }

func (e *env) published(c *Config) {
	c.Scopes = e.scopes("SCOPES", e.required("SCOPES"))
	c.ScopesSupported = slices.DeleteFunc(slices.Clone(c.Scopes), func(s string) bool {
		// Nobody gets the first by registering openly. The broker hands out no
		// ID tokens, so that in brokered mode the second would promise nothing.
		return s == "aws.cognito.signin.user.admin" || s == "openid" && c.Mode == broker.ModeBrokered
	})
	if v := e.getenv("SCOPES_SUPPORTED"); v != "" {
		c.ScopesSupported = e.scopes("SCOPES_SUPPORTED", v)
	}
	for _, s := range c.ScopesSupported {
		if !slices.Contains(c.Scopes, s) {
			e.fault("SCOPES_SUPPORTED", "%q is not among SCOPES", s)
		}
	}
	c.GrantTypesSupported = strings.Fields(e.or("GRANT_TYPES_SUPPORTED", "authorization_code refresh_token"))
	for _, g := range c.GrantTypesSupported {
		if !slices.Contains(dcr.GrantTypes(), g) {
			e.fault("GRANT_TYPES_SUPPORTED", "%q is not one of %s", g, strings.Join(dcr.GrantTypes(), ", "))
		}
	}
	e.protectedResources(c)
}

func (e *env) storage(c *Config) {
	c.Table = e.required("TABLE_NAME")
	if c.DynamoDBEndpoint = e.getenv("DYNAMODB_ENDPOINT"); c.DynamoDBEndpoint != "" {
		e.anyOrigin("DYNAMODB_ENDPOINT", c.DynamoDBEndpoint)
	}
	e.tracing(c)
}

func (e *env) tracing(c *Config) {
	switch tracing := e.or("TRACING", "off"); tracing {
	case "off":
	case "xray":
		if c.XRayDaemon = e.getenv("AWS_XRAY_DAEMON_ADDRESS"); c.XRayDaemon == "" {
			e.fault("TRACING", "xray needs AWS_XRAY_DAEMON_ADDRESS, which Lambda sets")
		} else if _, err := netip.ParseAddrPort(c.XRayDaemon); err != nil {
			e.fault("TRACING", "AWS_XRAY_DAEMON_ADDRESS is %q, which is not an address and a port", c.XRayDaemon)
		}
	default:
		e.fault("TRACING", "want off or xray, not %q", tracing)
	}
}

func (e *env) appClients(c *Config) {
	if c.CognitoEndpoint = e.getenv("COGNITO_ENDPOINT"); c.CognitoEndpoint != "" {
		e.anyOrigin("COGNITO_ENDPOINT", c.CognitoEndpoint)
	}
	if c.Deployment = e.required("DEPLOYMENT_ID"); c.Deployment != "" && (len(c.Deployment) > 32 || !only(c.Deployment, lower+"-")) {
		e.fault("DEPLOYMENT_ID", "%q is not 1 to 32 of a-z, 0-9 and -", c.Deployment)
	}
	for p := range strings.SplitSeq(e.or("IDENTITY_PROVIDERS", "COGNITO"), ",") {
		p = strings.TrimSpace(p)
		if p == "" || len(p) > 32 {
			e.fault("IDENTITY_PROVIDERS", "want names of 1 to 32 characters, separated by commas")
			continue
		}
		c.IdentityProviders = append(c.IdentityProviders, p)
	}
	e.lifetimes(c)
	c.RefreshTokenRotation = e.boolean("REFRESH_TOKEN_ROTATION", true)
	c.AppClientQuota = e.number("APP_CLIENT_QUOTA", 1000, 10_000_000)
}

func (e *env) lifetimes(c *Config) {
	c.AccessTokenLifetime = e.lifetime("ACCESS_TOKEN_LIFETIME", time.Hour, 5*time.Minute, 24*time.Hour)
	c.IDTokenLifetime = e.lifetime("ID_TOKEN_LIFETIME", time.Hour, 5*time.Minute, 24*time.Hour)
	c.RefreshTokenLifetime = e.refreshTokenLifetime()
	if c.RefreshTokenLifetime < max(c.AccessTokenLifetime, c.IDTokenLifetime) {
		e.fault("REFRESH_TOKEN_LIFETIME", "%s is less than that of the access or ID token", c.RefreshTokenLifetime)
	}
}

func (e *env) refreshTokenLifetime() time.Duration {
	return e.lifetime("REFRESH_TOKEN_LIFETIME", 30*24*time.Hour, time.Hour, 3650*24*time.Hour)
}

func (e *env) policy(c *Config) {
	const name = "POLICY"
	if len(c.Scopes) == 0 {
		return // that is the fault to mend first
	}
	doc := policy.Default()
	c.PolicyDocument = e.getenv(name)
	for _, elsewhere := range []string{"ssm:", "s3:", "secretsmanager:"} {
		if strings.HasPrefix(c.PolicyDocument, elsewhere) {
			return
		}
	}
	if c.PolicyDocument != "" {
		var err error
		if doc, err = os.ReadFile(c.PolicyDocument); err != nil {
			e.fault(name, "%v", err)
			return
		}
	}
	p, err := policy.Parse(doc, c.PolicyDeployment())
	if err != nil {
		e.fault(name, "%v", err)
		return
	}
	c.Policy = p
	if err := CheckPublished(c, p); err != nil {
		e.fault("SCOPES_SUPPORTED", "%v", err)
	}
}

// PolicyDeployment is what the policy has to fit.
func (c *Config) PolicyDeployment() broker.Deployment {
	return broker.Deployment{Scopes: c.Scopes, Mode: c.Mode}
}

// CheckPublished returns an error if the metadata publishes a scope that a
// client which registers does not get: it would ask for it, and Cognito refuse.
func CheckPublished(c *Config, p *policy.Policy) error {
	granted := p.ScopesSupported()
	for _, s := range c.ScopesSupported {
		if !slices.Contains(granted, s) {
			return fmt.Errorf("%q is published, and the policy does not grant it; name in SCOPES_SUPPORTED what is to be published", s)
		}
	}
	return nil
}

func (e *env) lifetime(name string, otherwise, least, most time.Duration) time.Duration {
	v := e.getenv(name)
	if v == "" {
		return otherwise
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < least || d > most || d%time.Second != 0 {
		e.fault(name, "%q is not a duration from %s to %s in whole seconds, such as 1h30m", v, least, most)
		return otherwise
	}
	return d
}

// number is from 1 to most.
func (e *env) number(name string, otherwise, most int) int {
	v := e.getenv(name)
	if v == "" {
		return otherwise
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > most {
		e.fault(name, "%q is not a number from 1 to %d", v, most)
		return otherwise
	}
	return n
}

func (e *env) boolean(name string, otherwise bool) bool {
	switch v := e.getenv(name); v {
	case "":
		return otherwise
	case "true", "false":
		return v == "true"
	default:
		e.fault(name, "want true or false, not %q", v)
		return otherwise
	}
}

// Logger writes lines of JSON to w, at the configured level, each with the host of
// the issuer: by it the metrics of several deployments are told apart.
func (c *Config) Logger(w io.Writer) *slog.Logger {
	_, host, _ := strings.Cut(c.Issuer, "://")
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: c.LogLevel})).With("issuer", host)
}

// Operator reads what dcrctl needs: the table, and the policy if SCOPES says
// which scopes it may name.
func Operator(getenv func(string) string) (*Config, error) {
	e := &env{getenv: getenv}
	c := &Config{Region: e.required("AWS_REGION")}
	e.authorization(c)
	e.storage(c)
	if v := e.getenv("SCOPES"); v != "" {
		c.Scopes = e.scopes("SCOPES", v)
		e.policy(c)
	}
	return c, e.err()
}

package preflight

import (
	"context"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/strict"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// localRun returns a run on a local Cognito.
func localRun(t *testing.T, pool emulator.Config, c environment.Environment, conf configuration.Configuration) (*run, *emulator.Cognito) {
	t.Helper()
	pool.BaseURL, pool.Key, pool.NoRateLimit = "http://localhost:9229", fake.SigningKey(), true
	emulated, err := emulator.New(pool)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(emulated)
	t.Cleanup(srv.Close)
	c.Region, c.UserPoolID, c.CognitoEndpoint = "us-east-1", "us-east-1_local00001", srv.URL
	credentials := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
	})
	if conf.Policy == nil {
		conf.Policy = new(policy.Policy)
	}
	return &run{
		Options: Options{Environment: &c, SDK: aws.Config{Credentials: credentials}},
		conf:    &conf,
		cognito: cip.New(cip.Options{Region: c.Region, BaseEndpoint: &srv.URL, Credentials: credentials}),
	}, emulated
}

func (r *run) text() string {
	var b strings.Builder
	for _, c := range r.checks {
		fmt.Fprintf(&b, "%s %s: %s -> %s\n", c.Status, c.ID, c.Detail, c.Do)
	}
	return b.String()
}

var (
	brokered = environment.Server{Mode: broker.ModeBrokered}
	direct   = environment.Server{Mode: broker.ModeDirect}
)

func TestPool(t *testing.T) {
	for _, tt := range []struct {
		name   string
		pool   emulator.Config
		config environment.Environment
		conf   configuration.Configuration
		want   []string
	}{
		{"no faults", emulator.Config{ManagedLogin: 2}, environment.Environment{Server: brokered, Pool: environment.Pool{LoginVersion: 2}}, configuration.Configuration{ResourceBinding: true},
			[]string{"ok pool:", "ok pool.domain:", "ok pool.login:", "ok pool.plan:", "ok configuration.binding:"}},
		{"no domain", emulator.Config{NoDomain: true}, environment.Environment{Server: brokered, Pool: environment.Pool{LoginVersion: 1}}, configuration.Configuration{},
			[]string{"fail pool.domain: the pool has no domain"}},
		{"Lite cannot bind tokens", emulator.Config{Plan: emulator.Lite}, environment.Environment{Server: brokered, Pool: environment.Pool{LoginVersion: 1}}, configuration.Configuration{ResourceBinding: true},
			[]string{"fail configuration.binding: resource_binding is true"}},
		{"Lite has no managed login", emulator.Config{Plan: emulator.Lite}, environment.Environment{Server: brokered, Pool: environment.Pool{LoginVersion: 2}}, configuration.Configuration{},
			[]string{"fail pool.plan: LITE, which has no managed login", "fail pool.login: version 1, the classic pages, but LOGIN_VERSION is 2"}},
		{"Lite has no rotation", emulator.Config{Plan: emulator.Lite}, environment.Environment{Server: direct}, configuration.Configuration{Tokens: configuration.Tokens{Rotation: true}},
			[]string{"ok pool.plan: LITE", "fail configuration.rotation: refresh_token_rotation is true, its default, but the plan of the pool is LITE, which has no rotation -> set refresh_token_rotation to false in the configuration"}},
		{"Lite without rotation", emulator.Config{Plan: emulator.Lite}, environment.Environment{Server: direct}, configuration.Configuration{},
			[]string{"ok pool.plan: LITE", "ok configuration.rotation: false", "ok pool.login: version 1"}},
		{"direct mode and managed login", emulator.Config{ManagedLogin: 2}, environment.Environment{Server: direct}, configuration.Configuration{},
			[]string{"fail pool.login: version 2, managed login: it needs a branding style"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, _ := localRun(t, tt.pool, tt.config, tt.conf)
			r.pool(t.Context())
			for _, want := range tt.want {
				if got := r.text(); !strings.Contains(got, want) {
					t.Errorf("got\n%swant %q", got, want)
				}
			}
		})
	}
}

// What a document asks for and the pool does not allow fails. Faults of the
// environment are not the document's.
func TestDocument(t *testing.T) {
	var faults strict.Faults
	partner := configuration.Configuration{Policy: policy.Check(policy.Document{Profiles: map[string]policy.DocumentProfile{
		"partner": {RedirectURIs: &policy.DocumentRedirects{AnyHTTPS: true}, Users: &policy.Users{IdentityProviders: []string{"COGNITO", "Gogle"}}},
	}}, broker.ModeBrokered, []string{"openid", "mcp/read"}, &faults)}
	if err := faults.Err(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		pool   emulator.Config
		config environment.Environment
		conf   configuration.Configuration
		want   []string
	}{
		{"an identity provider that the pool lacks", emulator.Config{ManagedLogin: 2}, environment.Environment{Server: brokered, Pool: environment.Pool{LoginVersion: 2}},
			configuration.Configuration{IdentityProviders: []string{"COGNITO", "Gogle"}}, []string{"pool.identity-providers"}},
		{"an identity provider of a profile that the pool lacks", emulator.Config{ManagedLogin: 2}, environment.Environment{Server: brokered, Pool: environment.Pool{LoginVersion: 2}},
			partner, []string{"pool.identity-providers"}},
		{"rotation that the plan lacks", emulator.Config{Plan: emulator.Lite}, environment.Environment{Server: direct},
			configuration.Configuration{Tokens: configuration.Tokens{Rotation: true}}, []string{"configuration.rotation"}},
		{"rotation of the broker's own", emulator.Config{Plan: emulator.Lite}, environment.Environment{Server: brokered, Pool: environment.Pool{LoginVersion: 1}},
			configuration.Configuration{Tokens: configuration.Tokens{Rotation: true}}, nil},
		{"binding that the pool lacks", emulator.Config{Plan: emulator.Lite}, environment.Environment{Server: brokered, Pool: environment.Pool{LoginVersion: 1}},
			configuration.Configuration{ResourceBinding: true}, []string{"configuration.binding"}},
		{"an environment that does not match the pool", emulator.Config{NoDomain: true}, environment.Environment{Server: brokered, Pool: environment.Pool{LoginVersion: 2}},
			configuration.Configuration{IdentityProviders: []string{"COGNITO"}}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, _ := localRun(t, tt.pool, tt.config, tt.conf)
			r.document(t.Context())
			var got []string
			for _, c := range r.checks {
				if c.Status == Fail {
					got = append(got, c.ID)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("failed: %q, want %q, of\n%s", got, tt.want, r.text())
			}
		})
	}
}

// If Cognito does not answer, the document is not known to fit.
func TestDocumentWithoutAnswer(t *testing.T) {
	for _, operation := range []string{"DescribeUserPool", "ListIdentityProviders"} {
		r, pool := localRun(t, emulator.Config{}, environment.Environment{Server: brokered, Pool: environment.Pool{LoginVersion: 1}}, configuration.Configuration{})
		pool.Faults().Inject(operation, emulator.Fault{Effect: emulator.FailBefore, Exception: "AccessDeniedException"})
		r.document(t.Context())
		if !Failed(r.checks) || !strings.Contains(r.text(), "your credentials do not allow cognito-idp:"+operation) {
			t.Errorf("without %s: %s, want the missing permission", operation, r.text())
		}
	}
}

func TestPoolWithoutPermission(t *testing.T) {
	r, pool := localRun(t, emulator.Config{}, environment.Environment{Server: brokered, Pool: environment.Pool{LoginVersion: 1}}, configuration.Configuration{})
	pool.Faults().Inject("DescribeUserPool", emulator.Fault{Effect: emulator.FailBefore, Exception: "AccessDeniedException"})
	r.pool(t.Context())
	if got := r.text(); !strings.HasPrefix(got, "fail pool: your credentials do not allow cognito-idp:DescribeUserPool ->") {
		t.Errorf("got %s, want the missing permission", got)
	}
}

func TestDomainAddress(t *testing.T) {
	for _, tt := range []struct {
		configured string
		want       Status
	}{
		{"https://example.auth.us-east-1.amazoncognito.com", OK},
		{"https://login.example.com", OK},
		{"https://other.auth.us-east-1.amazoncognito.com", Warning},
	} {
		r := &run{Options: Options{Environment: &environment.Environment{Server: environment.Server{Region: "us-east-1"}, Pool: environment.Pool{CognitoDomain: tt.configured}}}}
		r.domainAddress(&types.UserPoolType{Domain: aws.String("example"), CustomDomain: aws.String("login.example.com")})
		if len(r.checks) != 1 || r.checks[0].Status != tt.want {
			t.Errorf("COGNITO_DOMAIN=%s: %s, want %s", tt.configured, r.text(), tt.want)
		}
	}
}

// The calls change nothing, and an app client that Cognito creates anyway is
// deleted.
func TestCallsChangeNothing(t *testing.T) {
	r, pool := localRun(t, emulator.Config{
		ManagedLogin: 2, ResourceServers: []emulator.ResourceServer{{Identifier: "dcrctl-config-check", Scopes: []string{"does-not-exist"}}},
	}, environment.Environment{Server: brokered, Pool: environment.Pool{LoginVersion: 2}}, configuration.Configuration{})
	r.cognitoCalls(t.Context())
	if got := r.text(); !strings.HasPrefix(got, "ok iam.cognito: your credentials allow") {
		t.Errorf("got %s, want that all calls are allowed", got)
	}
	if n := len(pool.AppClients()); n != 0 {
		t.Errorf("%d app clients are left, want none", n)
	}
}

// The calls of --create-scopes change nothing. Rights that only they need are a
// warning.
func TestCallsOfScopesChangeNothing(t *testing.T) {
	pool := emulator.Config{ResourceServers: []emulator.ResourceServer{{Identifier: "mcp", Scopes: []string{"read"}}}}
	config := environment.Environment{Server: brokered, Pool: environment.Pool{LoginVersion: 1}}
	servers := func(r *run) string {
		out, err := r.cognito.ListResourceServers(t.Context(), &cip.ListResourceServersInput{UserPoolId: &r.Environment.UserPoolID, MaxResults: aws.Int32(50)})
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, s := range out.ResourceServers {
			all = append(all, fmt.Sprint(*s.Identifier, len(s.Scopes)))
		}
		return strings.Join(all, " ")
	}
	r, _ := localRun(t, pool, config, configuration.Configuration{})
	r.scopes(t.Context())
	r.checks = nil
	r.scopeCalls(t.Context())
	if got, want := r.text(), "ok iam.create-scopes: your credentials allow DescribeResourceServer, UpdateResourceServer, CreateResourceServer -> \n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := servers(r); got != "mcp1" {
		t.Errorf("the pool has %s, want its resource server as it was", got)
	}
	for _, operation := range []string{"DescribeResourceServer", "UpdateResourceServer", "CreateResourceServer"} {
		r, p := localRun(t, pool, config, configuration.Configuration{})
		p.Faults().Inject(operation, emulator.Fault{Effect: emulator.FailBefore, Exception: "AccessDeniedException"})
		r.scopes(t.Context())
		r.checks = nil
		r.scopeCalls(t.Context())
		if got, want := r.text(), "warning iam.create-scopes: your credentials do not allow cognito-idp:"+operation; !strings.HasPrefix(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

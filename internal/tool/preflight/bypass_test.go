package preflight

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"

	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
)

func TestRegistrationOfCognito(t *testing.T) {
	const scopes = "openid email phone profile"
	for _, tt := range []struct {
		name   string
		pool   emulator.Config
		server environment.Server
		want   string
	}{
		{"never configured", emulator.Config{}, brokered, "ok pool.registration: Cognito's own registration is off"},
		{"off", emulator.Config{Registration: &emulator.DCRConfiguration{EnableStatus: "Disabled", OpenDcrEnabled: true}}, brokered, "ok pool.registration:"},
		{"Lite", emulator.Config{Plan: emulator.Lite}, brokered, "ok pool.registration:"},
		{"open", emulator.Config{Registration: &emulator.DCRConfiguration{EnableStatus: "Enabled", OpenDcrEnabled: true, AllowedScopes: []string{"mcp/read"}}}, brokered,
			"warning pool.registration: Cognito's own registration is on, and it is open: strangers get app clients with the scopes " + scopes + " mcp/read, past the broker's policy, limits and consent page -> switch it off"},
		{"with a token", emulator.Config{Registration: &emulator.DCRConfiguration{EnableStatus: "Enabled"}}, direct,
			"warning pool.registration: Cognito's own registration is on, and those who have an access token of the pool with the scope aws.cognito/dcr/register get app clients with the scopes " + scopes + ", past the broker's policy and limits -> "},
		// Without EnableStatus an update switches registration on.
		{"no status", emulator.Config{Registration: &emulator.DCRConfiguration{}}, brokered, "warning pool.registration: Cognito's own registration is on"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, _ := localRun(t, tt.pool, environment.Environment{Server: tt.server}, configuration.Configuration{})
			r.registration(t.Context())
			if got := r.text(); !strings.Contains(got, tt.want) || len(r.checks) != 1 {
				t.Errorf("got\n%swant %q", got, tt.want)
			}
		})
	}
}

func TestMetadataDocumentsOfCognito(t *testing.T) {
	many := emulator.Config{}
	for range 61 {
		many.CIMDPolicies = append(many.CIMDPolicies, emulator.CIMDPolicy{CIMDPolicyId: "p", PolicyName: "one"})
	}
	many.CIMDPolicies = append(many.CIMDPolicies, emulator.CIMDPolicy{CIMDPolicyId: "q", PolicyName: "the last", ClientId: "1example23456789abcdefghij"})
	for _, tt := range []struct {
		name string
		pool emulator.Config
		want string
	}{
		{"none", emulator.Config{}, "ok pool.metadata-documents: the pool has no policies"},
		{"an app client that is gone", emulator.Config{CIMDPolicies: []emulator.CIMDPolicy{{CIMDPolicyId: "p", PolicyName: "claude"}}},
			`warning pool.metadata-documents: Cognito has policies for client ID metadata documents: "claude" for an app client that no longer exists; their clients sign in past the broker's policy, limits and consent page -> delete them`},
		{"several pages", many, `"the last" for the app client 1example23456789abcdefghij; `},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, _ := localRun(t, tt.pool, environment.Environment{Server: brokered}, configuration.Configuration{})
			r.metadataDocuments(t.Context())
			if got := r.text(); !strings.Contains(got, tt.want) || len(r.checks) != 1 {
				t.Errorf("got\n%swant %q", got, tt.want)
			}
		})
	}
}

// A policy for the broker's own app client is the widest way past the broker.
func TestAPolicyForAnAppClientOfTheBrokerIsNamed(t *testing.T) {
	c := environment.Environment{Server: brokered}
	c.DeploymentID = "prod"
	r, pool := localRun(t, emulator.Config{}, c, configuration.Configuration{})
	for name, want := range map[string]string{
		"open dcr@prod.aaaaaaaaaaaaaaaaaaaaaaaaaa": " of this broker", "open dcr@test.aaaaaaaaaaaaaaaaaaaaaaaaaa": "", "my app": "",
	} {
		out, err := r.cognito.CreateUserPoolClient(t.Context(), &cip.CreateUserPoolClientInput{UserPoolId: aws.String(r.Environment.UserPoolID), ClientName: aws.String(name)})
		if err != nil {
			t.Fatal(err)
		}
		id := aws.ToString(out.UserPoolClient.ClientId)
		if got := r.describeAppClient(t.Context(), id); got != "the app client "+id+want {
			t.Errorf("%s: %q, want it to end in %q", name, got, want)
		}
	}
	if n := pool.Calls("DescribeUserPoolClient"); n != 3 {
		t.Errorf("%d calls, want 3", n)
	}
}

func TestWhereACallIsRefusedTheCheckCannotTell(t *testing.T) {
	for _, tt := range []struct{ exception, want string }{
		{"AccessDeniedException", ": your credentials do not allow cognito-idp:"},
		{"NotAuthorizedException", ": your credentials do not allow cognito-idp:"},
		{"UnknownOperationException", ": "}, // a region or a stand-in for Cognito that does not have the call
		{"InvalidParameterException", ": "},
	} {
		r, pool := localRun(t, emulator.Config{}, environment.Environment{Server: brokered}, configuration.Configuration{})
		for _, op := range []string{"DescribeUserPool", "ListCIMDPolicies"} {
			pool.Faults().Inject(op, emulator.Fault{Effect: emulator.FailBefore, Exception: tt.exception})
		}
		r.registration(t.Context())
		r.metadataDocuments(t.Context())
		got := r.text()
		for _, want := range []string{
			"warning pool.registration: cannot tell whether Cognito's own registration is on" + tt.want,
			"warning pool.metadata-documents: cannot tell whether the pool has policies for client ID metadata documents" + tt.want,
		} {
			if !strings.Contains(got, want) {
				t.Errorf("%s: got\n%swant %q", tt.exception, got, want)
			}
		}
	}
	r, pool := localRun(t, emulator.Config{Plan: emulator.Lite}, environment.Environment{Server: brokered}, configuration.Configuration{})
	pool.Faults().Inject("ListCIMDPolicies", emulator.Fault{Effect: emulator.FailBefore, Exception: "FeatureUnavailableInTierException"})
	r.metadataDocuments(t.Context())
	if got := r.text(); !strings.Contains(got, "ok pool.metadata-documents: the plan of the pool has no policies") {
		t.Errorf("got\n%s", got)
	}
}

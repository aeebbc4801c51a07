package sam

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/test/cfn"
)

// reads has the functions that read a function's part of the configuration.
var reads = map[string]func(func(string) string) (*environment.Environment, error){
	"register":  environment.Registration,
	"metadata":  environment.Metadata,
	"token":     environment.Token,
	"authorize": environment.Authorize,
	"provision": environment.Provision,
	"janitor":   environment.AppClients,
}

// byLambda are variables that Lambda sets.
var byLambda = map[string]string{"AWS_REGION": "us-east-1"}

// guid is the GUID at the end of a stack's id.
const guid = "51af3dc0-da77-11e4-872e-1234567db123"

// inTheCloud replaces CloudFormation's functions by values as in the cloud.
func inTheCloud() *strings.Replacer {
	group := func(n string) string {
		return `${Fn::Select ["` + n + `","${Fn::Split [\"-\",\"${Fn::Select [\\\"2\\\",\\\"${Fn::Split [\\\\\\\"/\\\\\\\",\\\\\\\"${AWS::StackId}\\\\\\\"]}\\\"]}\"]}"]}`
	}
	groups := strings.Split(guid, "-")
	return strings.NewReplacer(
		group("0"), groups[0], group("4"), groups[4],
		"${AWS::Region}", "us-east-1", "${AWS::URLSuffix}", "amazonaws.com", "${AWS::StackName}", "dcr-broker",
		"${Api}", "a1b2c3d4e5", "${UserPool}", "us-east-1_MadeHere1", "${UserPoolDomain}", "dcr-"+groups[0],
		"${Table}", "dcr-broker-Table-1", "${Keys}", "arn:aws:secretsmanager:us-east-1:123456789012:secret:Keys-1",
		"${EdgeSecret}", "arn:aws:secretsmanager:us-east-1:123456789012:secret:Edge-1", "${ProvisionFunction}", "dcr-broker-Provision-1",
	)
}

// Each function starts with the environment in the template, and reads all
// variables of it. The environment also declares the variables that the
// function reads and that have no value, because `sam local` sets declared
// variables only.
func TestEnvironmentsHaveWhatFunctionsRead(t *testing.T) {
	each(t, func(t *testing.T, s set, template *cfn.Template) {
		values := inTheCloud()
		for name, id := range s.functions() {
			env := template.Environment(id)
			declared, _ := template.Resources[id].Get("Environment", "Variables").(map[string]any)
			read := make(map[string]bool)
			_, err := reads[name](func(variable string) string {
				if v, ok := byLambda[variable]; ok {
					return v
				}
				read[variable] = true
				return values.Replace(env[variable])
			})
			if err != nil {
				t.Errorf("%s does not start: %v", name, err)
			}
			for variable, value := range env {
				if !read[variable] {
					t.Errorf("%s has %s=%s, which it does not read", name, variable, value)
				}
			}
			for _, variable := range slices.Sorted(maps.Keys(read)) {
				if _, ok := declared[variable]; !ok {
					t.Errorf("%s reads %s, which is not in its environment", name, variable)
				}
			}
		}
	})
}

func TestEnvironments(t *testing.T) {
	everything := sets[2]
	for _, tt := range []struct {
		set                      set
		function, variable, want string
	}{
		{sets[0], "register", "ISSUER", "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com"},
		{sets[0], "provision", "DEPLOYMENT_ID", "51af3dc01234567db123"},
		{sets[0], "provision", "LOGIN_VERSION", "2"},
		{sets[0], "metadata", "LOGIN_VERSION", "2"},
		{sets[0], "metadata", "TABLE_NAME", "dcr-broker-Table-1"},
		{sets[0], "authorize", "COGNITO_DOMAIN", "https://dcr-51af3dc0.auth.us-east-1.amazoncognito.com"},
		{sets[0], "token", "KEYS", "secretsmanager:arn:aws:secretsmanager:us-east-1:123456789012:secret:Keys-1"},
		{sets[0], "token", "PROVISION_FUNCTION", "dcr-broker-Provision-1"},
		{sets[1], "janitor", "LOGIN_VERSION", "1"},
		{sets[1], "token", "TABLE_NAME", "dcr-broker-Table-1"},
		{sets[1], "register", "KEYS", ""},
		{everything, "metadata", "ISSUER", "https://auth.example.com"},
		{sets[0], "register", "EDGE", ""},
		{everything, "register", "EDGE", "secretsmanager:arn:aws:secretsmanager:us-east-1:123456789012:secret:Edge-1"},
		{sets[3], "metadata", "EDGE", "secretsmanager:arn:aws:secretsmanager:us-east-1:123456789012:secret:Edge-1"},
		{sets[5], "token", "EDGE", "hidden"},
		{everything, "metadata", "COGNITO_ISSUER", "https://issuer.example.com/pool"},
		{everything, "janitor", "DEPLOYMENT_ID", "prod"},
	} {
		env := tt.set.template(t).Environment(tt.set.functions()[tt.function])
		if got := inTheCloud().Replace(env[tt.variable]); got != tt.want {
			t.Errorf("%s: %s of %s is %q, want %q", tt.set.name, tt.variable, tt.function, got, tt.want)
		}
	}
}

// The configuration of a deployment comes from its table. The variable for a file
// in its place is declared, for `sam local`, and empty.
func TestNoDeploymentReadsItsConfigurationFromAFile(t *testing.T) {
	each(t, func(t *testing.T, s set, template *cfn.Template) {
		for name, id := range s.functions() {
			declared, _ := template.Resources[id].Get("Environment", "Variables").(map[string]any)
			if v, ok := declared["CONFIGURATION"]; !ok || v != "" {
				t.Errorf("%s has CONFIGURATION = %v, declared: %t, want it declared and empty", name, v, ok)
			}
		}
	})
}

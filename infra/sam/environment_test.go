package sam

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/test/cfn"
)

// reads has the functions that read a function's part of the configuration.
var reads = map[string]func(func(string) string) (*environment.Config, error){
	"register":  environment.Registration,
	"metadata":  environment.Metadata,
	"token":     environment.Token,
	"authorize": environment.Authorize,
	"provision": environment.AppClients,
	"janitor":   environment.AppClients,
}

// byLambda are variables that Lambda sets.
var byLambda = map[string]string{"AWS_REGION": "us-east-1"}

// guid is the GUID at the end of a stack's id.
const guid = "51af3dc0-da77-11e4-872e-1234567db123"

// inTheCloud replaces CloudFormation's functions by values as in the cloud.
// Packed files are in dir.
func inTheCloud(dir string) *strings.Replacer {
	group := func(n string) string {
		return `${Fn::Select ["` + n + `","${Fn::Split [\"-\",\"${Fn::Select [\\\"2\\\",\\\"${Fn::Split [\\\\\\\"/\\\\\\\",\\\\\\\"${AWS::StackId}\\\\\\\"]}\\\"]}\"]}"]}`
	}
	groups := strings.Split(guid, "-")
	return strings.NewReplacer(
		group("0"), groups[0], group("4"), groups[4],
		"${AWS::Region}", "us-east-1", "${AWS::URLSuffix}", "amazonaws.com", "${AWS::StackName}", "dcr-broker",
		"${Api}", "a1b2c3d4e5", "${UserPool}", "us-east-1_MadeHere1", "${UserPoolDomain}", "dcr-"+groups[0],
		"${Table}", "dcr-broker-Table-1", "${Keys}", "arn:aws:secretsmanager:us-east-1:123456789012:secret:Keys-1",
		"${ProvisionFunction}", "dcr-broker-Provision-1", "/var/task", dir,
	)
}

// packed returns a directory with the files that the sets pack.
func packed(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string][]byte{"policy.json": policy.Default(), "logo.svg": []byte("<svg/>")} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Each function starts with the environment in the template, and reads all
// variables of it. The environment also declares the variables that the
// function reads and that have no value, because `sam local` sets declared
// variables only.
func TestEnvironmentsHaveWhatFunctionsRead(t *testing.T) {
	each(t, func(t *testing.T, s set, template *cfn.Template) {
		values := inTheCloud(packed(t))
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
		{sets[0], "authorize", "SCOPES", "openid mcp/read mcp/write"},
		{sets[0], "authorize", "COGNITO_DOMAIN", "https://dcr-51af3dc0.auth.us-east-1.amazoncognito.com"},
		{sets[0], "token", "KEYS", "secretsmanager:arn:aws:secretsmanager:us-east-1:123456789012:secret:Keys-1"},
		{sets[0], "token", "PROVISION_FUNCTION", "dcr-broker-Provision-1"},
		{sets[1], "janitor", "LOGIN_VERSION", "1"},
		{sets[1], "token", "SCOPES", ""},
		{sets[1], "register", "KEYS", ""},
		{sets[0], "janitor", "APP_CLIENT_QUOTA", "1000"},
		{sets[1], "register", "APP_CLIENT_QUOTA", "1000"},
		{everything, "metadata", "ISSUER", "https://auth.example.com"},
		{everything, "metadata", "SCOPES", "openid notes/read"},
		{everything, "janitor", "DEPLOYMENT_ID", "prod"},
		{everything, "authorize", "POLICY", "ssm:/dcr-broker/policy"},
		{everything, "authorize", "BRAND_LOGO", "/packed/logo.svg"},
		{everything, "token", "RESOURCE_BINDING", "true"},
		{sets[3], "metadata", "SCOPES", "openid mcp/all"},
		{sets[3], "register", "POLICY", "s3://documents/dcr/policy.json"},
		{sets[4], "register", "POLICY", "/packed/policy.json"},
	} {
		env := tt.set.template(t).Environment(tt.set.functions()[tt.function])
		if got := inTheCloud("/packed").Replace(env[tt.variable]); got != tt.want {
			t.Errorf("%s: %s of %s is %q, want %q", tt.set.name, tt.variable, tt.function, got, tt.want)
		}
	}
}

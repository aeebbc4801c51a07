package dcrbroker

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/dcr-broker/dcr-broker/"

// mayImport is the architecture: the packages of this module that each package
// may import. A package that is missing, or that imports another package of the
// module, fails the test. Imports go down only.
var mayImport = map[string]string{
	"pkg/dcr":               "",
	"pkg/discovery":         "",
	"pkg/broker/credential": "",
	"pkg/broker/seal":       "",
	"pkg/broker/policy":     "pkg/dcr",
	"pkg/broker/telemetry":  "",
	"pkg/broker/grant":      "pkg/broker/credential pkg/broker/seal",
	"pkg/broker":            "pkg/dcr pkg/broker/credential pkg/broker/policy pkg/broker/seal pkg/broker/telemetry",
	"pkg/mcpauth":           "internal/accesstoken",
	"pkg/mcpauth/gosdk":     "pkg/mcpauth",

	"infra/sam": "",

	"internal/accesstoken":   "internal/keyset",
	"internal/cfn":           "",
	"internal/config":        "pkg/broker/policy",
	"internal/document":      "internal/signed",
	"internal/emulator":      "",
	"internal/keyset":        "",
	"internal/lambdaruntime": "",
	"internal/signed":        "pkg/broker/telemetry",
	"internal/terminal":      "",
	"internal/xray":          "",
	"internal/upstream":      "pkg/broker/telemetry",
	"internal/doctor":        "internal/terminal",
	"internal/httpapi":       "pkg/dcr pkg/broker/credential pkg/broker/telemetry",
	"internal/version":       "",
	"internal/pages":         "pkg/dcr",
	"internal/permissions":   "",
	"internal/lambdahttp":    "internal/httpapi",
	"internal/oauthform":     "internal/httpapi pkg/broker pkg/broker/telemetry pkg/dcr",
	"internal/provision":     "internal/signed pkg/broker pkg/dcr",
	"internal/cognito":       "pkg/dcr pkg/broker pkg/broker/credential pkg/broker/telemetry",
	"internal/dynamo":        "pkg/dcr pkg/broker pkg/broker/credential pkg/broker/grant",
	"internal/memory":        "pkg/broker pkg/broker/credential pkg/broker/grant",
	"internal/brokertest":    "pkg/dcr pkg/broker pkg/broker/credential pkg/broker/grant internal/memory",
	"internal/trust":         "internal/keyset pkg/broker pkg/broker/policy",
	"internal/metadata":      "internal/config internal/httpapi pkg/discovery",
	"internal/relay":         "internal/httpapi internal/oauthform pkg/broker pkg/broker/telemetry pkg/dcr",
	"internal/authorize":     "internal/httpapi internal/pages internal/upstream pkg/broker pkg/broker/credential pkg/broker/grant pkg/broker/policy pkg/broker/seal pkg/broker/telemetry pkg/dcr",
	"internal/grants":        "internal/accesstoken internal/httpapi internal/oauthform internal/upstream pkg/broker pkg/broker/credential pkg/broker/grant pkg/broker/seal pkg/broker/telemetry pkg/dcr",

	"internal/simulation":     "",
	"internal/wire":           "internal/config internal/httpapi internal/dynamo internal/relay internal/xray pkg/broker pkg/broker/telemetry",
	"scripts/pack":            "",
	"internal/wire/documents": "internal/config internal/document internal/httpapi pkg/broker/policy pkg/broker/seal",
	"internal/wire/preflight": "internal/config internal/document internal/dynamo pkg/broker pkg/broker/policy pkg/broker/seal",
	"internal/wire/operate":   "internal/config internal/grants internal/upstream internal/wire/documents internal/wire/registrar pkg/broker pkg/broker/grant",
	"internal/wire/registrar": "internal/config internal/cognito internal/wire/documents pkg/broker",
	"internal/wire/brokered":  "internal/accesstoken internal/authorize internal/config internal/grants internal/httpapi internal/pages internal/provision internal/upstream internal/wire internal/wire/documents pkg/broker pkg/broker/credential pkg/broker/grant",
}

// mains may import everything.
func isMain(pkg string) bool {
	return strings.HasPrefix(pkg, "cmd/") || strings.HasPrefix(pkg, "functions") || strings.HasPrefix(pkg, "e2e") || strings.HasPrefix(pkg, "bench") || strings.HasPrefix(pkg, "examples") || strings.HasPrefix(pkg, "internal/dev")
}

// awsAllowed are the packages that may import the AWS SDK. No package in pkg/
// has a type of the SDK.
var awsAllowed = []string{"internal/cognito", "internal/document", "internal/dynamo", "internal/provision", "internal/signed", "internal/wire", "internal/wire/registrar", "internal/wire/brokered", "internal/wire/documents", "internal/wire/operate", "internal/wire/preflight", "internal/xray"}

func TestImportsGoDownOnly(t *testing.T) {
	for pkg, imports := range goList(t, "./...") {
		allowed, known := mayImport[pkg]
		if isMain(pkg) || pkg == "" {
			continue
		}
		if !known {
			t.Errorf("%s has no place in the architecture; give it one in this test", pkg)
			continue
		}
		for _, imp := range imports {
			if own, ok := strings.CutPrefix(imp, module); ok && !slices.Contains(strings.Fields(allowed), own) {
				t.Errorf("%s imports %s", pkg, own)
			}
			if strings.HasPrefix(imp, "github.com/aws/aws-sdk-go-v2/") && !slices.Contains(awsAllowed, pkg) {
				t.Errorf("%s imports %s", pkg, imp)
			}
		}
	}
}

// The metadata function does not link the AWS SDK, which would make its starts
// slow.
func TestMetadataLinksNoAWSSDK(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "./internal/metadata", "./internal/config", "./functions/metadata").Output()
	if err != nil {
		t.Fatal(err)
	}
	for dep := range strings.Lines(string(out)) {
		if strings.HasPrefix(dep, "github.com/aws/aws-sdk-go") {
			t.Errorf("metadata links %s", strings.TrimSpace(dep))
		}
	}
}

// Every package that a function links is initialised at each start, used or
// not. This is most of the start-up time (docs/performance.md).
func TestFunctionsLinkOnlyWhatTheyNeed(t *testing.T) {
	const (
		sdk  = "github.com/aws/aws-sdk-go-v2/"
		oidc = "github.com/coreos/go-oidc/v3" // register verifies the JWTs of trusted issuers with it
	)
	for function, unwanted := range map[string][]string{
		"functions/metadata":  {"regexp", oidc},
		"functions/provision": {oidc},
		"functions/janitor":   {oidc},
		"functions/token": {
			sdk + "service/cognitoidentityprovider", sdk + "service/s3", sdk + "service/secretsmanager", sdk + "service/ssm", sdk + "config",
			sdk + "service/lambda", module + "internal/cognito", oidc,
		},
		"functions/authorize": {sdk + "service/cognitoidentityprovider", sdk + "service/lambda", sdk + "config", module + "internal/cognito", oidc},
		"functions/register":  {sdk + "service/s3", sdk + "service/secretsmanager", sdk + "service/ssm", sdk + "config"},
	} {
		out, err := exec.Command("go", "list", "-deps", "-tags", "lambda.norpc", "./"+function).Output()
		if err != nil {
			t.Fatal(err)
		}
		for dep := range strings.Lines(string(out)) {
			dep = strings.TrimSpace(dep)
			for _, u := range unwanted {
				if dep == strings.TrimSuffix(u, "/") || strings.HasPrefix(dep, strings.TrimSuffix(u, "/")+"/") {
					t.Errorf("%s links %s", function, dep)
				}
			}
		}
	}
}

func goList(t *testing.T, patterns ...string) map[string][]string {
	t.Helper()
	args := append([]string{"list", "-f", `{{.ImportPath}} {{join .Imports " "}}`}, patterns...)
	out, err := exec.Command("go", args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	imports := make(map[string][]string)
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		imports[strings.TrimPrefix(strings.TrimPrefix(fields[0], strings.TrimSuffix(module, "/")), "/")] = fields[1:]
	}
	return imports
}

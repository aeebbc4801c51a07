package dcrbroker

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/dcr-broker/dcr-broker/"

// A rule says which packages of ours the packages under a path may import, and
// why. The rule with the longest matching path counts.
type rule struct {
	// of is a package, or with a final slash all packages below it.
	of string
	// may has packages, or with a final slash all packages below. "all" is every
	// package except test kits.
	may string
	why string
}

const (
	// useCase is what each use case of pkg/broker may import.
	useCase = "pkg/dcr pkg/broker pkg/broker/policy pkg/broker/credential pkg/broker/seal pkg/broker/telemetry pkg/broker/clients pkg/broker/grants"
	// mode is what each mode may import.
	mode = useCase + " pkg/clock pkg/broker/registration pkg/broker/provision pkg/broker/janitor"
)

// rules are the architecture: a package that no rule covers, or that imports
// what its rule does not name, fails the test.
var rules = []rule{
	{"pkg/dcr", "", "the words of RFC 7591 serve any authorization server in Go"},
	{"pkg/clock", "", "a value: caches of all parts compare their ages with it, also those of MCP servers, which link nothing else of the broker"},
	{"pkg/discovery", "", "metadata documents serve any proxy before an identity provider"},
	{"pkg/broker/credential", "", "a value: tokens depend on nothing of ours"},
	{"pkg/broker/seal", "", "a value: sealing depends on nothing of ours"},
	{"pkg/broker/telemetry", "", "a value: log lines depend on nothing of ours"},
	{"pkg/strict", "", "a value: any program that reads documents of people can use it"},
	{"pkg/broker/branding", "", "a value: the configuration is checked against it, and pages rely on it"},
	{"pkg/broker/policy", "pkg/dcr pkg/strict pkg/broker", "a value: policy decides about records, and records know no policy"},
	{"pkg/broker/configuration", "pkg/dcr pkg/clock pkg/strict pkg/broker pkg/broker/branding pkg/broker/policy", "a value: the document has the policy, and policy knows no document"},
	{"pkg/broker/configure", "pkg/broker pkg/broker/configuration pkg/broker/telemetry pkg/strict", "a use case imports no other use case and no mode: documents are stored by people and by the deployment"},
	{"pkg/broker/clients", "pkg/dcr pkg/broker pkg/broker/policy pkg/broker/credential pkg/broker/telemetry", "use cases and endpoints authenticate clients alike, so it knows no use case"},
	{"pkg/broker/authorization", useCase + " pkg/broker/configuration", "a use case imports no other use case and no mode, and knows no HTTP"},
	{"pkg/broker/grants", "pkg/broker pkg/broker/credential pkg/broker/seal pkg/clock", "each use case ends grants through it, so it knows none of them"},
	{"pkg/broker/token", useCase + " pkg/broker/configuration", "a use case imports no other use case and no mode, and knows no HTTP"},
	{"pkg/broker/relay", "pkg/dcr pkg/broker pkg/broker/clients pkg/broker/telemetry pkg/broker/token", "the use case of direct mode that takes the place of token, and has its requests and responses"},
	{"pkg/broker/registration", useCase, "a use case imports no other use case and no mode: the mode plugs into it"},
	{"pkg/broker/provision", useCase, "a use case imports no other use case and no mode: the mode calls it"},
	{"pkg/broker/janitor", useCase, "a use case imports no other use case and no mode: both modes plug into it"},
	{"pkg/broker/operator", useCase + " pkg/broker/configuration", "a use case imports no other use case and no mode: both modes plug into it"},
	{"pkg/broker/brokered", mode, "a mode imports the use cases into which it plugs, and not the other mode"},
	{"pkg/broker/direct", mode, "a mode imports the use cases into which it plugs, and not the other mode"},
	{"pkg/broker", "pkg/dcr pkg/broker/credential pkg/broker/seal pkg/broker/telemetry", "records and ports: they know no policy and no use case"},
	{"pkg/mcpauth", "internal/adapter/jwt pkg/clock", "MCP servers verify the tokens that the broker verifies"},
	{"pkg/mcpauth/gosdk", "pkg/mcpauth", "it alone needs the MCP SDK"},
	{"internal/environment", "pkg/broker pkg/dcr", "the environment becomes checked settings; it opens no connection"},
	{"internal/httpapi", "pkg/dcr pkg/broker pkg/broker/credential pkg/broker/telemetry", "what endpoints share; it knows errors, and no use case"},
	{"internal/pages", "pkg/dcr pkg/broker pkg/broker/branding pkg/broker/credential", "pages get what they show as values, secrets as values that print redacted; they decide nothing"},
	{"internal/endpoint/register", "internal/httpapi pkg/broker pkg/broker/credential pkg/broker/telemetry pkg/dcr", "an endpoint decodes, calls a port and writes; it knows no adapter"},
	{"internal/endpoint/metadata", "internal/httpapi pkg/discovery", "an endpoint decodes, calls a port and writes; it knows no adapter"},
	{"internal/endpoint/authorize", "internal/httpapi internal/pages pkg/broker pkg/broker/authorization", "an endpoint decodes, calls its one use case and writes; it does no I/O of its own, so it needs no adapter"},
	{"internal/adapter", "", "all adapters may import it, so it imports none"},
	{"internal/adapter/issuers", "internal/adapter internal/adapter/jwt pkg/dcr pkg/broker/policy", "it verifies JWTs with the key sets of jwt; only register links its library"},
	{"internal/endpoint/token", "internal/httpapi pkg/dcr pkg/broker pkg/broker/clients pkg/broker/token pkg/broker/credential pkg/broker/telemetry", "an endpoint decodes, calls its use case and writes; it does no I/O of its own"},
	{"internal/adapter/lambdahttp", "internal/httpapi pkg/broker/telemetry", "it logs an invocation as the router logs a request"},
	{"internal/adapter/jwt", "internal/adapter pkg/clock", "MCP servers link it (pkg/mcpauth), so it knows nothing of the broker"},
	{"internal/adapter/", "internal/adapter pkg/clock pkg/dcr pkg/discovery pkg/broker pkg/broker/clients pkg/broker/policy pkg/broker/credential pkg/broker/telemetry", "an adapter implements ports; it decides nothing, so it needs no use case"},
	{"internal/adapter/records", "pkg/broker pkg/broker/configuration pkg/broker/credential", "it stores records on a table that it does not know"},
	{"internal/adapter/dynamo", "internal/adapter/records pkg/dcr", "it is a table for records, so it knows no record"},
	{"internal/adapter/memory", "internal/adapter/records pkg/broker/credential pkg/clock", "it is a table for records, so it knows no record"},
	{"internal/adapter/signed", "internal/adapter/records pkg/dcr pkg/clock pkg/broker pkg/broker/telemetry", "it reads items of the table for a function without a client of DynamoDB"},
	{"internal/adapter/edge", "internal/httpapi pkg/broker", "it refuses requests before the router finds their handler"},
	{"internal/adapter/wellknown", "pkg/clock pkg/discovery", "the metadata function links it, so it links no client of Cognito's OAuth endpoints"},
	{"internal/wire", "internal/adapter/awssdk internal/adapter/dynamo internal/adapter/records internal/adapter/signed internal/environment internal/httpapi internal/wire/front pkg/broker pkg/broker/configuration pkg/broker/policy pkg/broker/seal pkg/clock", "all functions but metadata link it, so it knows only what each of them uses"},
	{"internal/wire/front", "internal/adapter/edge internal/adapter/signed internal/environment internal/httpapi", "metadata links it too, so it links no client of an AWS service"},
	{"internal/wire/metadata", "internal/wire/front internal/adapter/awssdk internal/adapter/records internal/adapter/signed internal/adapter/wellknown internal/endpoint/metadata internal/environment internal/httpapi pkg/broker pkg/broker/configuration pkg/clock pkg/discovery",
		"it links no client of an AWS service, so it does without package wire"},
	{"internal/wire/pool", "internal/adapter/cognito internal/environment internal/wire pkg/broker", "only the functions that call Cognito's API link it"},
	{"internal/wire/register", "internal/adapter/issuers internal/endpoint/register internal/httpapi internal/wire internal/wire/pool pkg/broker pkg/broker/registration pkg/broker/brokered pkg/broker/direct",
		"it knows ports and adapters of one function; in direct mode register makes app clients"},
	{"internal/wire/authorize", "internal/adapter/cognitoauth internal/endpoint/authorize internal/environment internal/httpapi internal/pages internal/wire pkg/broker pkg/broker/authorization pkg/broker/clients pkg/broker/configuration",
		"it knows ports and adapters of one function, which calls Cognito's OAuth endpoints and not its API"},
	{"internal/wire/token", "internal/adapter/cognitoauth internal/adapter/jwt internal/endpoint/token internal/environment internal/httpapi internal/wire pkg/broker pkg/broker/clients pkg/broker/relay pkg/broker/grants pkg/broker/token",
		"it knows ports and adapters of one function, which calls Cognito's OAuth endpoints and not its API"},
	{"internal/wire/provision", "internal/adapter/lambdahttp internal/adapter/signed internal/wire internal/wire/pool pkg/broker pkg/broker/provision",
		"it knows ports and adapters of one function, which makes app clients and which users cannot reach"},
	{"internal/wire/janitor", "internal/adapter/cognito internal/adapter/cognitoauth internal/adapter/lambdahttp internal/wire internal/wire/pool pkg/broker pkg/broker/brokered pkg/broker/direct pkg/broker/grants pkg/broker/janitor pkg/broker/provision",
		"it knows ports and adapters of one function, which removes app clients of both modes and revokes tokens"},
	{"internal/wire/operator", "internal/wire internal/wire/janitor pkg/broker pkg/broker/brokered pkg/broker/direct pkg/broker/operator", "the janitor is one of an operator's use cases"},
	{"internal/tool/emulator", "", "it stands for Cognito, so it shares no code and no mistake with the broker"},
	{"internal/tool/", "all", "tools are for developers and operators, never on Lambda"},
	{"cmd/", "all", "a command may import everything except test kit"},
	{"functions/", "internal/wire internal/wire/ internal/environment internal/adapter/lambdahttp internal/httpapi", "a main goes from the environment through its wiring to Lambda"},
	{"bench", "all test/ bench/units", "benchmarks run the functions' own wiring around test kit"},
	{"bench/idle", "", "a program that bench measures by itself, so it links nothing of ours"},
	{"bench/units", "internal/tool/emulator internal/tool/signin pkg/broker/credential pkg/broker/seal test/lambdaruntime test/meter", "it measures builds that it does not compile against, so it knows only what surrounds a broker"},
	{"examples/", "all", "examples are programs of their own"},
	{"examples", "", "it has only tests, of the templates below it"},
	{"config", "", "it is the document that ships as an example, for tools and tests"},
	{"scripts/", "", "they pack programs that are built already, so they need none of our packages"},
	{"infra/sam", "", "it has only tests, of template.yaml"},
	{"functions", "", "it has only tests, of the functions below it together"},
	{"test/", "all test/", "test kit is imported by tests and bench alone"},
}

// awsAllowed are the packages that may import the AWS SDK: no AWS type crosses
// into pkg/.
var awsAllowed = []string{"internal/adapter/cognito", "internal/adapter/dynamo", "internal/adapter/signed", "internal/adapter/awssdk", "internal/wire", "internal/tool/", "cmd/", "bench", "test/"}

// covers reports whether pattern is pkg or a folder above it that ends in a
// slash.
func covers(pattern, pkg string) bool {
	return pattern == pkg || strings.HasSuffix(pattern, "/") && strings.HasPrefix(pkg, pattern)
}

func ruleOf(pkg string) (best rule, ok bool) {
	for _, r := range rules {
		if covers(r.of, pkg) && len(r.of) >= len(best.of) {
			best, ok = r, true
		}
	}
	return best, ok
}

func (r rule) allows(pkg string) bool {
	for _, may := range strings.Fields(r.may) {
		if may == "all" && !strings.HasPrefix(pkg, "test/") || may == pkg || covers(may, pkg) {
			return true
		}
	}
	return false
}

func TestEachRuleHasAReason(t *testing.T) {
	seen := make(map[string]bool)
	for _, r := range rules {
		if r.why == "" || seen[r.of] {
			t.Errorf("the rule for %s: got the reason %q, another rule with this path %t, want a reason and one rule", r.of, r.why, seen[r.of])
		}
		seen[r.of] = true
	}
}

func TestImportsGoDownOnly(t *testing.T) {
	for pkg, imports := range goList(t, "./...") {
		if pkg == "" {
			continue
		}
		r, known := ruleOf(pkg)
		if !known {
			t.Errorf("%s has no place in the architecture; give it a rule in this test", pkg)
			continue
		}
		for _, imp := range imports {
			if own, ok := strings.CutPrefix(imp, module); ok && !r.allows(own) {
				t.Errorf("%s imports %s. The rule for %s: it may import %q of ours, since %s", pkg, own, r.of, r.may, r.why)
			}
			aws := slices.ContainsFunc(awsAllowed, func(a string) bool { return covers(a, pkg) || strings.HasPrefix(pkg, a+"/") })
			if strings.HasPrefix(imp, "github.com/aws/aws-sdk-go-v2/") && !aws {
				t.Errorf("%s imports %s. The AWS SDK is for adapters, wiring and tools: no AWS type crosses into pkg/", pkg, imp)
			}
		}
	}
}

// A function initializes all packages that it links at every start, used or
// not. This is most of the time of its start (docs/performance.md).
func TestFunctionsLinkOnlyWhatTheyNeed(t *testing.T) {
	const (
		sdk    = "github.com/aws/aws-sdk-go-v2/"
		smithy = "github.com/aws/smithy-go/"
		oidc   = "github.com/coreos/go-oidc/v3" // with which register verifies JWTs of other issuers
	)
	for function, unwanted := range map[string][]string{
		// metadata reads the configuration with signed requests, and it links no
		// client of an AWS service.
		"functions/metadata": {
			"regexp", "encoding/xml", oidc, sdk + "service", sdk + "config", sdk + "credentials", smithy + "encoding/json", smithy + "encoding/xml", smithy + "endpoints",
			smithy + "waiter", module + "internal/wire/pool", module + "internal/adapter/dynamo", module + "internal/adapter/cognitoauth", module + "pkg/broker/clients",
			module + "pkg/broker/authorization", module + "pkg/broker/configure",
		},
		"functions/provision": {oidc, module + "pkg/broker/registration", module + "pkg/broker/direct", module + "pkg/broker/brokered"},
		"functions/janitor":   {oidc},
		"functions/token": {
			sdk + "service/cognitoidentityprovider", sdk + "service/s3", sdk + "service/secretsmanager", sdk + "service/ssm", sdk + "config",
			sdk + "service/lambda", module + "internal/adapter/cognito", oidc, module + "internal/pages", module + "internal/endpoint/authorize", module + "pkg/broker/authorization",
		},
		"functions/authorize": {sdk + "service/cognitoidentityprovider", sdk + "service/lambda", sdk + "config", module + "internal/adapter/cognito", oidc, module + "internal/endpoint/token", module + "pkg/broker/direct"},
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

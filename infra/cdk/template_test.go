package dcrbroker_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscognito"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/jsii-runtime-go"

	dcrbroker "github.com/dcr-broker/dcr-broker/infra/cdk"
	"github.com/dcr-broker/dcr-broker/test/cfn"
)

// sets are parameters of template.yaml with the equivalent props of the
// construct.
var sets = []struct {
	name, region string // "" is any region
	parameters   []string
	props        func(awscdk.Stack) dcrbroker.Props
}{
	{"a new pool", "", nil, func(awscdk.Stack) dcrbroker.Props { return dcrbroker.Props{} }},
	{"direct", "", []string{"Authorization=direct"}, func(awscdk.Stack) dcrbroker.Props { return dcrbroker.Props{Mode: dcrbroker.Direct} }},
	{
		"a pool and all settings", "",
		[]string{
			"UserPoolId=us-east-1_AbCdEfGhI", "CognitoDomain=https://example.auth.us-east-1.amazoncognito.com", "LoginVersion=2", "CognitoIssuer=https://issuer.example.com/pool",
			"DeploymentId=prod", "LogLevel=debug", "LogRetention=7", "Architecture=x86_64", "ReservedConcurrency=10",
			"Tracing=xray", "ThrottleRate=1", "ThrottleBurst=2", "RegisterRate=3", "RegisterBurst=4", "AuthorizeRate=5", "AuthorizeBurst=6", "TokenRate=7", "TokenBurst=8",
		},
		func(s awscdk.Stack) dcrbroker.Props {
			return dcrbroker.Props{
				UserPool:      awscognito.UserPool_FromUserPoolId(s, jsii.String("Pool"), jsii.String("us-east-1_AbCdEfGhI")),
				CognitoDomain: "https://example.auth.us-east-1.amazoncognito.com", LoginVersion: 2, CognitoIssuer: "https://issuer.example.com/pool",
				DeploymentID: "prod", LogLevel: "debug", LogRetention: "ONE_WEEK", Architecture: awslambda.Architecture_X86_64(),
				ReservedConcurrency: 10, Tracing: true,
				Throttle: dcrbroker.Throttle{Default: dcrbroker.Rate{PerSecond: 1, Burst: 2}, Register: dcrbroker.Rate{PerSecond: 3, Burst: 4}, Authorize: dcrbroker.Rate{PerSecond: 5, Burst: 6}, Token: dcrbroker.Rate{PerSecond: 7, Burst: 8}},
			}
		},
	},
	{
		"direct with a pool", "",
		[]string{"Authorization=direct", "UserPoolId=us-east-1_AbCdEfGhI", "CognitoDomain=https://example.auth.us-east-1.amazoncognito.com",
			"OwnEdge=hidden", "DomainName=auth.example.com", "CertificateArn=arn:aws:acm:eu-central-1:111122223333:certificate/a"},
		func(s awscdk.Stack) dcrbroker.Props {
			return dcrbroker.Props{
				Mode: dcrbroker.Direct, OwnEdge: dcrbroker.HiddenEdge, UserPool: awscognito.UserPool_FromUserPoolId(s, jsii.String("Pool"), jsii.String("us-east-1_AbCdEfGhI")),
				CognitoDomain: "https://example.auth.us-east-1.amazoncognito.com",
				Domain:        &dcrbroker.Domain{Name: "auth.example.com", CertificateARN: "arn:aws:acm:eu-central-1:111122223333:certificate/a"},
			}
		},
	},
	{
		"a domain, an alarm topic, removal policy delete", "",
		[]string{
			"DomainName=auth.example.com", "CertificateArn=arn:aws:acm:eu-central-1:111122223333:certificate/a", "HostedZoneId=Z0123456789",
			"AlarmTopicArn=arn:aws:sns:eu-central-1:111122223333:alarms", "RemovalPolicy=Delete", "UserPoolDomainPrefix=example", "JanitorSchedule=rate(30 minutes)",
			"ResourceServer=notes", "Scope1=use", "Scope2=", "OwnEdge=secret",
		},
		func(s awscdk.Stack) dcrbroker.Props {
			return dcrbroker.Props{
				Domain:        &dcrbroker.Domain{Name: "auth.example.com", CertificateARN: "arn:aws:acm:eu-central-1:111122223333:certificate/a", HostedZoneID: "Z0123456789"},
				AlarmTopic:    awssns.Topic_FromTopicArn(s, jsii.String("Alarms"), jsii.String("arn:aws:sns:eu-central-1:111122223333:alarms")),
				RemovalPolicy: awscdk.RemovalPolicy_DESTROY, DomainPrefix: "example", JanitorSchedule: awsevents.Schedule_Rate(awscdk.Duration_Minutes(jsii.Number(30))),
				Scopes: []string{"notes/use"}, OwnEdge: dcrbroker.SecretEdge,
			}
		},
	},
	{
		"CloudFront and WAF", "us-east-1",
		[]string{
			"DomainName=auth.example.com", "CertificateArn=arn:aws:acm:us-east-1:111122223333:certificate/a", "HostedZoneId=Z0123456789",
			"EdgeProtection=true", "EdgeCertificateArn=arn:aws:acm:us-east-1:111122223333:certificate/a", "EdgePerAddress=50", "EdgeRegisterPerAddress=10", "EdgeSecretVersion=2",
		},
		func(awscdk.Stack) dcrbroker.Props {
			return dcrbroker.Props{
				Domain: &dcrbroker.Domain{Name: "auth.example.com", CertificateARN: "arn:aws:acm:us-east-1:111122223333:certificate/a", HostedZoneID: "Z0123456789"},
				Edge:   &dcrbroker.Edge{PerAddress: 50, RegisterPerAddress: 10, SecretVersion: 2},
			}
		},
	},
}

// intended are the intended differences: where they are, and the value in each.
var intended = []struct{ path, template, construct, reason string }{
	{`\w+Function\.Code(\.\w+)?`, `.*`, `.*`, "packages have different locations"},
	{`\w+Function\.Tags`, `.*"lambda:createdBy","Value":"SAM".*`, ``, "SAM adds a tag"},
	{`\w+Logs\.(Deletion|UpdateReplace)Policy`, ``, `Delete`, "CloudFormation's default"},
	{`AccessLogs\.LogGroupName`, `/aws/vendedlogs/apis/\$\{AWS::StackName\}`, `/aws/vendedlogs/apis/AuthBroker\w+`, "a stack may have two brokers"},
	{`(Api\.Name|UserPool\.UserPoolName)`, `\$\{AWS::StackName\}`, `Auth`, "the CDK knows the name of the stack"},
	{`Stage\.Description`, `The only stage, made after the route \$\{AuthorizeRoute\}`, `The only stage`, "the construct uses DependsOn, which cannot have a condition in the template"},
	{`\w+Role\.Policies\..*`, `.*`, `.*`, "compared as operations on resources"},
}

func TestConstructMatchesTheTemplate(t *testing.T) {
	seen := make(map[string]bool)
	for _, set := range sets {
		t.Run(set.name, func(t *testing.T) {
			w := newWorldIn(t, set.region)
			w.add(set.props(w.stack)).AddOutputs()
			made := w.template()
			checkApp(t, set.parameters, set.region, made)
			ours := read(t, made)
			renameIDs(t, ours)
			theirs := read(t, transformed(t, set.parameters))
			if set.region != "" {
				for _, r := range theirs.Resources {
					r.Properties, _ = inRegion(r.Properties, set.region).(map[string]any)
				}
			}

			for name, value := range theirs.Outputs {
				if set.region != "" {
					value = inRegion(value, set.region).(string)
				}
				if ours.Outputs[name] != value {
					t.Errorf("output %s: template has %s, construct %s", name, value, ours.Outputs[name])
				}
			}
			if len(ours.Outputs) != len(theirs.Outputs) {
				t.Errorf("outputs are %v, want those of the template", slices.Sorted(maps.Keys(ours.Outputs)))
			}
			routes, err := theirs.Routes()
			if err != nil {
				t.Fatal(err)
			}
			if got, err := ours.Routes(); err != nil || !maps.Equal(got, routes) {
				t.Errorf("routes are %v, %v, want those of the template, %v", got, err, routes)
			}
			for _, r := range ours.Of("AWS::IAM::Role") {
				if got, want := grants(t, ours, r.ID), grants(t, theirs, r.ID); !slices.Equal(got, want) {
					t.Errorf("%s allows\n%v, want as in the template\n%v", r.ID, got, want)
				}
				if got, want := denials(t, ours, r.ID), denials(t, theirs, r.ID); !slices.Equal(got, want) {
					t.Errorf("%s denies\n%v, want as in the template\n%v", r.ID, got, want)
				}
			}
			for _, template := range []*cfn.Template{ours, theirs} {
				template.Resources["Dashboard"].Properties["DashboardBody"] = decode(t, []byte(template.Resources["Dashboard"].Text("DashboardBody")))
			}
			for _, d := range cfn.Differences(theirs, ours) {
				if reason := intendedReason(d); reason != "" {
					seen[reason] = true
					continue
				}
				t.Errorf("%s: template has %q, construct %q", d.Path, d.Left, d.Right)
			}
		})
	}
	for _, i := range intended {
		if !seen[i.reason] {
			t.Errorf("%s no longer differs; remove it from the list", i.path)
		}
	}
}

// checkApp checks that the app produces the same template from the parameters
// as the construct from the props.
func checkApp(t *testing.T, parameters []string, region string, construct []byte) {
	t.Helper()
	binary, err := app()
	if err != nil {
		t.Fatal(err)
	}
	context := map[string]string{"stack": "Auth", "region": region, "dist": dist}
	for _, p := range parameters {
		name, value, _ := strings.Cut(p, "=")
		switch name {
		case "ResourceServer", "Scope2":
			continue
		case "Scope1":
			name, value = "scopes", "notes/"+value
		}
		context[strings.ToLower(name[:1])+name[1:]] = value
	}
	given, err := json.Marshal(context)
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	cmd := exec.Command(binary)
	// The variables that the CDK's command line sets. The validation is off
	// because the construct's template has been validated.
	cmd.Env = append(os.Environ(), "CDK_OUTDIR="+out, "CDK_CONTEXT_JSON="+string(given), "CDK_VALIDATION=false")
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	made, err := os.ReadFile(filepath.Join(out, "Auth.template.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"Resources", "Outputs"} {
		got, err := json.MarshalIndent(decode(t, made)[part], "", " ")
		if err != nil {
			t.Fatal(err)
		}
		want, err := json.MarshalIndent(decode(t, construct)[part], "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s of the app: %s", part, firstDifference(got, want))
		}
	}
}

// app builds the app once.
var app = sync.OnceValues(func() (string, error) {
	binary := filepath.Join(dist, "app")
	if out, err := exec.Command("go", "build", "-o", binary, "./cmd/dcr-broker").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return binary, nil
})

// intendedReason returns the reason of an intended difference, or "".
func intendedReason(d cfn.Difference) string {
	whole := func(pattern, s string) bool { return regexp.MustCompile("(?s)^(?:" + pattern + ")$").MatchString(s) }
	for _, i := range intended {
		if whole(i.path, d.Path) && whole(i.template, d.Left) && whole(i.construct, d.Right) {
			return i.reason
		}
	}
	return ""
}

func grants(t *testing.T, template *cfn.Template, role string) []cfn.Grant {
	t.Helper()
	g, err := template.Grants(role)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func denials(t *testing.T, template *cfn.Template, role string) []cfn.Grant {
	t.Helper()
	g, err := template.Denials(role)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// inRegion replaces ${AWS::Region} by the region, as the CDK does if it knows it.
func inRegion(v any, region string) any {
	switch v := v.(type) {
	case string:
		return strings.ReplaceAll(v, "${AWS::Region}", region)
	case []any:
		for i := range v {
			v[i] = inRegion(v[i], region)
		}
	case map[string]any:
		for k := range v {
			v[k] = inRegion(v[k], region)
		}
	}
	return v
}

func read(t *testing.T, b []byte) *cfn.Template {
	t.Helper()
	template, err := cfn.Read(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return template
}

// hashed matches a logical id of the CDK: the broker's id, the resource's id
// and a hash.
var hashed = regexp.MustCompile(`^Broker(\w+?)[0-9A-F]{8}$`)

// renameIDs gives the construct's resources the ids that they have in
// template.yaml.
func renameIDs(t *testing.T, template *cfn.Template) {
	t.Helper()
	err := template.Rename(func(r *cfn.Resource) string {
		if m := hashed.FindStringSubmatch(r.ID); m != nil {
			if name, ok := cdkIDs[m[1]]; ok {
				return name
			}
			return m[1]
		}
		return r.ID
	})
	if err != nil {
		t.Fatal(err)
	}
}

// cdkIDs maps ids that the construct gives to those in template.yaml, where they
// differ.
var cdkIDs = map[string]string{
	"UserPoolResourceServermcp":   "UserPoolResourceServer",
	"UserPoolResourceServernotes": "UserPoolResourceServer",
}

// transformed returns template.yaml as CloudFormation processes it.
func transformed(t *testing.T, parameters []string) []byte {
	t.Helper()
	cmd := exec.Command(filepath.Join("..", "..", "scripts", "sam-tools.sh"), append([]string{"transform"}, parameters...)...)
	out, err := cmd.Output()
	if err != nil {
		if exit, ok := err.(*exec.ExitError); ok {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	return out
}

package dcrbroker_test

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2/awscognito"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"

	dcrbroker "github.com/dcr-broker/dcr-broker/infra/cdk"
	"github.com/dcr-broker/dcr-broker/test/cfn"
	"github.com/dcr-broker/dcr-broker/test/permissions"
)

// arns maps the resources of package permissions to their ARNs in the construct.
var arns = map[string]string{
	permissions.Table:       "${Table.Arn}",
	permissions.DueIndex:    "${Table.Arn}/index/due",
	permissions.ClientIndex: "${Table.Arn}/index/client",
	permissions.DeadLetters: "${JanitorDeadLetters.Arn}",
	permissions.Traces:      "*",
	permissions.Pool:        "arn:${AWS::Partition}:cognito-idp:${AWS::Region}:${AWS::AccountId}:userpool/us-east-1_AbCdEfGhI",
	permissions.Keys:        "${Keys}",
	permissions.Provision:   "${ProvisionFunction.Arn}",
}

// A role allows exactly the recorded calls of its function, and those that it
// makes only after a fault.
func TestRolesAllowWhatFunctionsCall(t *testing.T) {
	for _, mode := range []dcrbroker.Mode{dcrbroker.Brokered, dcrbroker.Direct} {
		for _, traced := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, traced: %t", mode, traced), func(t *testing.T) {
				w := newWorld(t)
				w.add(dcrbroker.Props{
					Mode: mode, UserPool: awscognito.UserPool_FromUserPoolId(w.stack, jsii.String("Pool"), jsii.String("us-east-1_AbCdEfGhI")),
					CognitoDomain: "https://example.auth.us-east-1.amazoncognito.com", Tracing: traced,
				})
				template := read(t, w.template())
				renameIDs(t, template)
				for _, f := range permissions.Functions(mode) {
					id := strings.ToUpper(f[:1]) + f[1:]
					var want []cfn.Grant
					for _, permission := range permissions.Of(mode, f, traced) {
						g := cfn.Grant{Action: permission.Action, Resource: arns[permission.Resource]}
						switch permission.Resource {
						case permissions.Logs:
							g.Resource = "${" + id + "Logs.Arn}"
						case permissions.Table:
							g.Keys = permissions.KeysOf(f)
						}
						want = append(want, g)
					}
					slices.SortFunc(want, cfn.Grant.Compare)
					if got := grants(t, template, id+"Role"); !slices.Equal(got, want) {
						t.Errorf("the role of %s allows\n%v, want\n%v", f, got, want)
					}
				}
			})
		}
	}
}

// operate returns the permissions that dcrctl.md lists for operators, without
// that for the document that KEYS names.
func operate(t *testing.T) []string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "dcrctl.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "\n## Rights\n")
	text, _, ok := strings.Cut(text, "To read what")
	if !ok {
		t.Fatal("dcrctl.md has no list of the rights that an operator needs")
	}
	var actions []string
	service := ""
	for _, m := range regexp.MustCompile("`(?:([a-z-]+):)?([A-Z][A-Za-z]+)`").FindAllStringSubmatch(text, -1) {
		service = cmp.Or(m[1], service)
		actions = append(actions, service+":"+m[2])
	}
	slices.Sort(actions)
	return slices.Compact(actions)
}

func TestGrants(t *testing.T) {
	w := newWorld(t)
	b := w.add(dcrbroker.Props{})
	role := func(id string) awsiam.Role {
		return awsiam.NewRole(w.stack, &id, &awsiam.RoleProps{AssumedBy: awsiam.NewAccountRootPrincipal()})
	}
	b.GrantMintInitialAccessTokens(role("Minter"))
	b.GrantOperate(role("Operator"))
	template := read(t, w.template())
	renameIDs(t, template)
	if got, want := grantsOf(t, template, "Minter"), []cfn.Grant{
		{Action: "dynamodb:GetItem", Resource: "${Table.Arn}", Keys: permissions.Configurations},
		{Action: "dynamodb:PutItem", Resource: "${Table.Arn}", Keys: "iat#*"},
	}; !slices.Equal(got, want) {
		t.Errorf("Minter may %v, want %v", got, want)
	}

	var got []string
	for _, g := range grantsOf(t, template, "Operator") {
		got = append(got, g.Action)
	}
	got = slices.Compact(got)
	want := append(operate(t), "secretsmanager:GetSecretValue")
	if !slices.Equal(got, want) {
		t.Errorf("Operator may\n%v, want as in dcrctl.md\n%v", got, want)
	}
}

// grantsOf returns the grants of the only role whose id begins with prefix.
func grantsOf(t *testing.T, template *cfn.Template, prefix string) []cfn.Grant {
	t.Helper()
	for id, r := range template.Resources {
		if strings.HasPrefix(id, prefix) && r.Type == "AWS::IAM::Role" {
			return grants(t, template, id)
		}
	}
	t.Fatalf("there is no role %s", prefix)
	return nil
}

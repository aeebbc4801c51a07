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
	text, _, ok := strings.Cut(text, "And to read what")
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
	template := decode(t, w.template())

	statements := func(role string) []any {
		for id, r := range template["Resources"].(map[string]any) {
			if strings.HasPrefix(id, role+"DefaultPolicy") {
				return r.(map[string]any)["Properties"].(map[string]any)["PolicyDocument"].(map[string]any)["Statement"].([]any)
			}
		}
		t.Fatalf("%s has no policy", role)
		return nil
	}
	mint := statements("Minter")
	if len(mint) != 1 {
		t.Fatalf("Minter has %d statements, want 1", len(mint))
	}
	s := mint[0].(map[string]any)
	if s["Action"] != "dynamodb:PutItem" {
		t.Errorf("Minter may %v, want only dynamodb:PutItem", s["Action"])
	}
	conditions := s["Condition"].(map[string]any)
	if keys := conditions["ForAllValues:StringLike"].(map[string]any)["dynamodb:LeadingKeys"]; !slices.Equal(keys.([]any), []any{"iat#*"}) {
		t.Errorf("Minter may put items with keys %v, want only initial access tokens", keys)
	}
	if null := conditions["Null"].(map[string]any)["dynamodb:LeadingKeys"]; null != "false" {
		t.Errorf("Null is %v, want false: without keys the other condition is true", null)
	}

	actions := func(role string) (all []string) {
		for _, s := range statements(role) {
			switch a := s.(map[string]any)["Action"].(type) {
			case string:
				all = append(all, a)
			case []any:
				for _, a := range a {
					all = append(all, a.(string))
				}
			}
		}
		slices.Sort(all)
		return slices.Compact(all)
	}
	want := append(operate(t), "secretsmanager:GetSecretValue")
	if got := actions("Operator"); !slices.Equal(got, want) {
		t.Errorf("Operator may\n%v, want as in dcrctl.md\n%v", got, want)
	}
}

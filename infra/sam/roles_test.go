package sam

import (
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/test/cfn"
	"github.com/dcr-broker/dcr-broker/test/permissions"
)

// resource returns the resource of a permission as the template names it.
func (s set) resource(function string, p permissions.Permission) string {
	const prefix, here = "arn:${AWS::Partition}:", ":${AWS::Region}:${AWS::AccountId}:"
	switch p.Resource {
	case permissions.Table:
		return "${Table.Arn}"
	case permissions.DueIndex:
		return "${Table.Arn}/index/due"
	case permissions.ClientIndex:
		return "${Table.Arn}/index/client"
	case permissions.Pool:
		return prefix + "cognito-idp" + here + "userpool/" + s.pool
	case permissions.Keys:
		return "${Keys}"
	case edgeSecret:
		return "${EdgeSecret}"
	case permissions.Provision:
		return "${ProvisionFunction.Arn}"
	case permissions.Logs:
		return "${" + title(function) + "Logs.Arn}"
	case permissions.DeadLetters:
		return "${JanitorDeadLetters.Arn}"
	case permissions.Traces:
		return "*"
	}
	return "unknown: " + p.Resource
}

// edgeSecret is the secret that EDGE names, as a resource of a permission.
const edgeSecret = "edge"

func (s set) hasEdgeSecret() bool {
	return s.parameters["EdgeProtection"] == "true" || s.parameters["OwnEdge"] == "secret"
}

func TestRolesAllowWhatFunctionsCallAndNoMore(t *testing.T) {
	each(t, func(t *testing.T, s set, template *cfn.Template) {
		for name, id := range s.functions() {
			f := template.Resources[id]
			if f == nil {
				t.Fatalf("there is no %s", id)
			}
			role := title(name) + "Role"
			if got := f.Text("Role"); got != "${"+role+".Arn}" {
				t.Errorf("%s has the role %s, want one of its own, %s", id, got, role)
			}
			got, err := template.Grants(role)
			if err != nil {
				t.Error(err)
				continue
			}
			var want []cfn.Grant
			allowed := permissions.Of(s.mode(), name, s.traced())
			if s.hasEdgeSecret() && name != "janitor" && name != "provision" {
				allowed = append(allowed, permissions.Permission{Action: "secretsmanager:GetSecretValue", Resource: edgeSecret})
			}
			for _, p := range allowed {
				g := cfn.Grant{Action: p.Action, Resource: s.resource(name, p)}
				if p.Resource == permissions.Table {
					g.Keys = permissions.KeysOf(name)
				}
				want = append(want, g)
			}
			for _, g := range got {
				if !slices.Contains(want, g) {
					t.Errorf("the role of %s allows %s, which the function does not call", name, g)
				}
			}
			for _, g := range want {
				if !slices.Contains(got, g) {
					t.Errorf("the role of %s does not allow %s, which the function calls", name, g)
				}
			}
			if trust := template.Resources[role].Text("AssumeRolePolicyDocument", "Statement"); trust !=
				`[{"Action":"sts:AssumeRole","Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"}}]` {
				t.Errorf("%s trusts %s, want only Lambda", role, trust)
			}
		}
		// No other resource allows anything.
		for id, r := range template.Resources {
			if strings.HasPrefix(r.Type, "AWS::IAM::") && (r.Type != "AWS::IAM::Role" || s.functions()[strings.ToLower(strings.TrimSuffix(id, "Role"))] == "") {
				t.Errorf("%s, %s, is not the role of a function", id, r.Type)
			}
		}
	})
}

// writes are the operations by which a role could write an item of the table.
var writes = []string{
	"dynamodb:BatchWriteItem", "dynamodb:DeleteItem", "dynamodb:PartiQLDelete", "dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate",
	"dynamodb:PutItem", "dynamodb:UpdateItem",
}

// A role that may write to the table is denied all writes of configurations,
// whatever a later policy of the account allows.
func TestNoFunctionWritesConfigurations(t *testing.T) {
	var want []cfn.Grant
	for _, action := range writes {
		want = append(want, cfn.Grant{Action: action, Resource: "${Table.Arn}", Keys: permissions.Configurations})
	}
	each(t, func(t *testing.T, s set, template *cfn.Template) {
		for name := range s.functions() {
			role := title(name) + "Role"
			grants, err := template.Grants(role)
			if err != nil {
				t.Fatal(err)
			}
			denials, err := template.Denials(role)
			if err != nil {
				t.Fatal(err)
			}
			mayWrite := slices.ContainsFunc(grants, func(g cfn.Grant) bool { return slices.Contains(writes, g.Action) })
			if mayWrite == (name == "metadata") {
				t.Errorf("%s may write to the table: %t", name, mayWrite)
			}
			if mayWrite && !slices.Equal(denials, want) {
				t.Errorf("the role of %s denies %v, want %v", name, denials, want)
			}
			if !slices.ContainsFunc(grants, func(g cfn.Grant) bool {
				return g.Action == "dynamodb:GetItem" && (g.Keys == "" || g.Keys == permissions.Configurations)
			}) {
				t.Errorf("%s may not read configurations", name)
			}
		}
	})
}

func TestFunctionsThatFaceTheInternetHaveNoPermissionOnCognito(t *testing.T) {
	each(t, func(t *testing.T, s set, template *cfn.Template) {
		routes, err := template.Routes()
		if err != nil {
			t.Fatal(err)
		}
		for key, id := range routes {
			grants, err := template.Grants(strings.TrimSuffix(id, "Function") + "Role")
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range grants {
				if strings.HasPrefix(g.Action, "cognito-idp:") && !(s.direct && id == "RegisterFunction") {
					t.Errorf("%s, the function of %s, may call %s", id, key, g)
				}
			}
		}
	})
}

// The API can invoke the functions of its routes, and the schedule the janitor.
// Only functions whose role allows it can invoke provision.
func TestWhoMayInvoke(t *testing.T) {
	each(t, func(t *testing.T, s set, template *cfn.Template) {
		want := map[string]string{
			"RegisterFunction": "apigateway.amazonaws.com", "TokenFunction": "apigateway.amazonaws.com", "MetadataFunction": "apigateway.amazonaws.com",
			"JanitorFunction": "events.amazonaws.com",
		}
		if !s.direct {
			want["AuthorizeFunction"] = "apigateway.amazonaws.com"
		}
		sources := map[string]string{
			"apigateway.amazonaws.com": "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/*",
			"events.amazonaws.com":     "${JanitorRule.Arn}",
		}
		for _, p := range template.Of("AWS::Lambda::Permission") {
			id := strings.Trim(p.Text("FunctionName"), "${}")
			if principal := p.Text("Principal"); principal != want[id] || p.Text("SourceArn") != sources[principal] || p.Text("Action") != "lambda:InvokeFunction" {
				t.Errorf("%s: %s may %s %s, as %s", p.ID, principal, p.Text("Action"), id, p.Text("SourceArn"))
			}
			delete(want, id)
		}
		for id, principal := range want {
			t.Errorf("%s may not invoke %s", principal, id)
		}
	})
}

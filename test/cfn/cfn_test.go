package cfn

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func read(t *testing.T, s string) *Template {
	t.Helper()
	template, err := Read(strings.NewReader(s))
	if err != nil {
		t.Fatal(err)
	}
	return template
}

func TestAllFormsOfReferencesAreEqual(t *testing.T) {
	for _, tt := range []struct{ value, want string }{
		{`{"Ref":"Table"}`, "${Table}"},
		{`{"Fn::GetAtt":["Table","Arn"]}`, "${Table.Arn}"},
		{`{"Fn::GetAtt":"Table.Arn"}`, "${Table.Arn}"},
		{`{"Fn::Sub":"${Table.Arn}/index/due"}`, "${Table.Arn}/index/due"},
		{`{"Fn::Join":["",[{"Fn::GetAtt":["Table","Arn"]},"/index/due"]]}`, "${Table.Arn}/index/due"},
		{`{"Fn::Sub":["userpool/${Pool}",{"Pool":{"Ref":"UserPool"}}]}`, "userpool/${UserPool}"},
		{`{"Fn::Join":["",["a",{"Fn::Sub":"b${AWS::Region}"},1]]}`, "ab${AWS::Region}1"},
		{`5`, "5"},
		{`true`, "true"},
		{`1.50`, "1.50"},
		// A dollar that is not a reference is escaped.
		{`"${Table}"`, "${!Table}"},
		{`{"Fn::Select":[0,{"Fn::Split":["-",{"Ref":"X"}]}]}`, `${Fn::Select ["0","${Fn::Split [\"-\",\"${X}\"]}"]}`},
	} {
		r := read(t, `{"Resources":{"R":{"Type":"T","Properties":{"P":`+tt.value+`}}}}`).Resources["R"]
		if got := r.Text("P"); got != tt.want {
			t.Errorf("%s reads %q, want %q", tt.value, got, tt.want)
		}
	}
}

func TestUnresolvedConditionsAreErrors(t *testing.T) {
	for _, tt := range []struct{ template, says string }{
		{`{"Resources":{"R":{"Type":"T","Condition":"C"}}}`, "condition C"},
		{`{"Resources":{"R":{"Type":"T","Properties":{"P":[{"Fn::If":["C",1,2]}]}}}}`, "Fn::If"},
		{`{"Resources":{"R":{"Type":"T","Properties":{"P":{"Fn::Sub":["a"]}}}}}`, "Fn::Sub"},
		{`{"Resources":{"R":{"Type":"T"}},"Outputs":{"O":{"Value":{"Fn::If":[]}}}}`, "output O"},
		{`{"Resources":{}}`, "no resources"},
		{`[]`, "cannot unmarshal"},
	} {
		if _, err := Read(strings.NewReader(tt.template)); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("Read(%s) = %v, want an error with %q", tt.template, err, tt.says)
		}
	}
}

const withRole = `{"Resources":{
 "Role":{"Type":"AWS::IAM::Role","Properties":{"Policies":[{"PolicyDocument":{"Statement":[
  {"Effect":"Allow","Action":["b","a"],"Resource":{"Fn::GetAtt":["Table","Arn"]}}]}}]}},
 "More":{"Type":"AWS::IAM::Policy","Properties":{"Roles":[{"Ref":"Role"}],"PolicyDocument":{"Statement":
  {"Sid":"x","Effect":"Allow","Action":"a","Resource":["*",{"Fn::Sub":"${Table.Arn}"}]}}}},
 "Other":{"Type":"AWS::IAM::Policy","Properties":{"Roles":[{"Ref":"Another"}],"PolicyDocument":{"Statement":
  {"Effect":"Allow","Action":"c","Resource":"*"}}}}
}}`

func TestGrants(t *testing.T) {
	got, err := read(t, withRole).Grants("Role")
	want := []Grant{{"a", "${Table.Arn}", ""}, {"a", "*", ""}, {"b", "${Table.Arn}", ""}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Grants = %v, %v, want %v", got, err, want)
	}
	if got, err := read(t, withRole).Denials("Role"); err != nil || len(got) != 0 {
		t.Errorf("Denials = %v, %v, want none", got, err)
	}
}

func TestConditionsOnKeys(t *testing.T) {
	const allow, deny = `"Condition":{"ForAllValues:StringLike":{"dynamodb:LeadingKeys":["x#*"]},"Null":{"dynamodb:LeadingKeys":"false"}},"Effect":"Allow","Action":["b"`,
		`"Condition":{"ForAnyValue:StringLike":{"dynamodb:LeadingKeys":"x#*"}},"Effect":"Deny","Action":["b"`
	limited := Grant{"b", "${Table.Arn}", "x#*"}
	for _, tt := range []struct {
		statement       string
		granted, denied bool
	}{{allow, true, false}, {deny, false, true}} {
		template := read(t, strings.Replace(withRole, `"Effect":"Allow","Action":["b"`, tt.statement, 1))
		grants, err := template.Grants("Role")
		denials, denialErr := template.Denials("Role")
		if err != nil || denialErr != nil || slices.Contains(grants, limited) != tt.granted || slices.Contains(denials, limited) != tt.denied {
			t.Errorf("%s: Grants = %v, %v, Denials = %v, %v", tt.statement, grants, err, denials, denialErr)
		}
	}
}

func TestUnsupportedGrantsAreErrors(t *testing.T) {
	for _, tt := range []struct{ old, new, says string }{
		{`"Effect":"Allow","Action":["b"`, `"Effect":"Audit","Action":["b"`, "neither Allow nor Deny"},
		{`"Sid":"x"`, `"Condition":{}`, "Condition"},
		// It also allows requests without keys.
		{`"Sid":"x"`, `"Condition":{"ForAllValues:StringLike":{"dynamodb:LeadingKeys":["x#*"]}}`, "Condition"},
		// The other operator would allow a request for several keys, one of which matches.
		{`"Sid":"x"`, `"Condition":{"ForAnyValue:StringLike":{"dynamodb:LeadingKeys":["x#*"]},"Null":{"dynamodb:LeadingKeys":"false"}}`, "Condition"},
		{`"Sid":"x"`, `"Condition":{"ForAllValues:StringLike":{"dynamodb:LeadingKeys":["x#*","y#*"]},"Null":{"dynamodb:LeadingKeys":"false"}}`, "Condition"},
		{`"Sid":"x"`, `"NotAction":"y"`, "NotAction"},
		{`"Policies":[`, `"ManagedPolicyArns":["arn"],"Policies":[`, "outside the template"},
	} {
		changed := strings.Replace(withRole, tt.old, tt.new, 1)
		if changed == withRole {
			t.Fatalf("%s is not in the template", tt.old)
		}
		if _, err := read(t, changed).Grants("Role"); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("with %s: %v, want an error with %q", tt.new, err, tt.says)
		}
	}
	if _, err := read(t, withRole).Grants("More"); err == nil {
		t.Error("Grants of a policy: no error, want one: it is not a role")
	}
}

const withRoute = `{"Resources":{
 "F":{"Type":"AWS::Lambda::Function","Properties":{"Environment":{"Variables":{"A":"1","B":"","C":{"Ref":"F"}}}}},
 "I":{"Type":"AWS::ApiGatewayV2::Integration","Properties":{"IntegrationType":"AWS_PROXY","PayloadFormatVersion":"2.0","IntegrationUri":{"Fn::GetAtt":["F","Arn"]}}},
 "R":{"Type":"AWS::ApiGatewayV2::Route","DependsOn":"I","Properties":{"RouteKey":"$default","Target":{"Fn::Join":["/",["integrations",{"Ref":"I"}]]}}}
}}`

func TestRoutes(t *testing.T) {
	got, err := read(t, withRoute).Routes()
	if want := map[string]string{"$default": "F"}; err != nil || !maps.Equal(got, want) {
		t.Errorf("Routes = %v, %v, want %v", got, err, want)
	}
	for _, tt := range []struct{ old, new, says string }{
		{`"integrations"`, `"integration"`, "not an integration"},
		{`{"Ref":"I"}`, `{"Ref":"F"}`, "not an integration"},
		{`"2.0"`, `"1.0"`, "payload format 1.0"},
		{`["F","Arn"]`, `["I","Arn"]`, "not a function"},
	} {
		if _, err := read(t, strings.Replace(withRoute, tt.old, tt.new, 1)).Routes(); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("with %s: %v, want an error with %q", tt.new, err, tt.says)
		}
	}
}

func TestEnvironmentOmitsEmptyVariables(t *testing.T) {
	got := read(t, withRoute).Environment("F")
	if want := map[string]string{"A": "1", "C": "${F}"}; !maps.Equal(got, want) {
		t.Errorf("Environment = %v, want %v", got, want)
	}
}

func TestRename(t *testing.T) {
	template := read(t, withRoute)
	if err := template.Rename(func(r *Resource) string { return "New" + r.ID }); err != nil {
		t.Fatal(err)
	}
	got, err := template.Routes()
	if want := map[string]string{"$default": "NewF"}; err != nil || !maps.Equal(got, want) {
		t.Errorf("Routes = %v, %v, want %v", got, err, want)
	}
	if d := template.Resources["NewR"].DependsOn; !reflect.DeepEqual(d, []string{"NewI"}) {
		t.Errorf("DependsOn = %q, want NewI", d)
	}
	if err := template.Rename(func(*Resource) string { return "Same" }); err == nil {
		t.Error("two resources with one name: no error")
	}
}

func TestDifferences(t *testing.T) {
	changed := strings.NewReplacer(
		`"A":"1"`, `"A":"2"`, `"B":"",`, "", `"PayloadFormatVersion"`, `"DeletionPolicy":[1],"PayloadFormatVersion"`,
		`"DependsOn":"I"`, `"DeletionPolicy":"Retain"`, `}}`+"\n}}", `}},"X":{"Type":"T"}`+"\n}}").Replace(withRoute)
	var got []string
	for _, d := range Differences(read(t, withRoute), read(t, changed)) {
		got = append(got, d.String())
	}
	want := []string{
		`F.Environment.Variables.A: "1", "2"`,
		`I.DeletionPolicy: "", "[\"1\"]"`,
		`R.DeletionPolicy: "", "Retain"`,
		`X: "", "T"`,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Differences =\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if same := Differences(read(t, withRoute), read(t, withRoute)); len(same) != 0 {
		t.Errorf("Differences of a template and itself: %v", same)
	}
}

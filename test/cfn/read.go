package cfn

import (
	"fmt"
	"slices"
	"strings"
)

// Grant is one operation on one resource. Keys is the pattern of the partition
// keys of DynamoDB to which a condition limits the grant; "" for all keys.
type Grant struct{ Action, Resource, Keys string }

func (g Grant) String() string {
	if g.Keys != "" {
		return g.Action + " on keys " + g.Keys + " of " + g.Resource
	}
	return g.Action + " on " + g.Resource
}

// Compare orders grants by action and resource.
func (g Grant) Compare(other Grant) int { return strings.Compare(g.String(), other.String()) }

// Grants returns the operations that a role may call, in order and without
// duplicates, from its own policies and those attached to it. A statement with
// other members than actions, resources and a condition on keys is an error, and
// so is a policy that is not in the template.
func (t *Template) Grants(role string) ([]Grant, error) { return t.statements(role, "Allow") }

// Denials returns the operations that the same policies deny to a role, as
// Grants does.
func (t *Template) Denials(role string) ([]Grant, error) { return t.statements(role, "Deny") }

func (t *Template) statements(role, effect string) ([]Grant, error) {
	r := t.Resources[role]
	if r == nil || r.Type != "AWS::IAM::Role" {
		return nil, fmt.Errorf("cfn: %s is not a role", role)
	}
	if r.Get("ManagedPolicyArns") != nil {
		return nil, fmt.Errorf("cfn: %s has policies from outside the template: %s", role, r.Text("ManagedPolicyArns"))
	}
	var documents []any
	for _, p := range listOf(r.Get("Policies")) {
		m, _ := p.(map[string]any)
		documents = append(documents, m["PolicyDocument"])
	}
	for _, kind := range []string{"AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"} {
		for _, p := range t.Of(kind) {
			if slices.Contains(listOf(p.Get("Roles")), any("${"+role+"}")) {
				documents = append(documents, p.Get("PolicyDocument"))
			}
		}
	}
	for _, p := range t.Of("AWS::IAM::RolePolicy") {
		if p.Text("RoleName") == "${"+role+"}" {
			documents = append(documents, p.Get("PolicyDocument"))
		}
	}
	var grants []Grant
	for _, d := range documents {
		m, _ := d.(map[string]any)
		for _, s := range listOf(m["Statement"]) {
			is, g, err := statement(s)
			if err != nil {
				return nil, fmt.Errorf("cfn: %s: %w", role, err)
			}
			if is == effect {
				grants = append(grants, g...)
			}
		}
	}
	slices.SortFunc(grants, Grant.Compare)
	return slices.Compact(grants), nil
}

// statement returns the effect of a statement and its operations.
func statement(v any) (effect string, grants []Grant, err error) {
	s, ok := v.(map[string]any)
	if !ok {
		return "", nil, fmt.Errorf("statement %v", v)
	}
	for k := range s {
		if !slices.Contains([]string{"Sid", "Effect", "Action", "Resource", "Condition"}, k) {
			return "", nil, fmt.Errorf("statement with %s: %s", k, text(s))
		}
	}
	var keys string
	switch effect = text(s["Effect"]); effect {
	case "Allow":
		// ForAllValues also matches a request without the key, unless Null
		// excludes it.
		keys, err = keysOf(s["Condition"], "ForAllValues:StringLike", `{"dynamodb:LeadingKeys":"false"}`)
	case "Deny":
		keys, err = keysOf(s["Condition"], "ForAnyValue:StringLike", "")
	default:
		err = fmt.Errorf("neither Allow nor Deny")
	}
	if err != nil {
		return "", nil, fmt.Errorf("%w in the statement %s", err, text(s))
	}
	for _, action := range listOf(s["Action"]) {
		for _, resource := range listOf(s["Resource"]) {
			grants = append(grants, Grant{text(action), text(resource), keys})
		}
	}
	return effect, grants, nil
}

// keysOf returns the only pattern of a condition on keys with this operator; ""
// if there is no condition. null is what the operator Null must have, or "" if
// it must not be there.
func keysOf(condition any, operator, null string) (string, error) {
	if condition == nil {
		return "", nil
	}
	c, _ := condition.(map[string]any)
	patterns, _ := c[operator].(map[string]any)
	keys := listOf(patterns["dynamodb:LeadingKeys"])
	got, members := "", 1
	if v, ok := c["Null"]; ok {
		got, members = text(v), 2
	}
	if len(c) != members || len(patterns) != 1 || len(keys) != 1 || got != null {
		return "", fmt.Errorf("unsupported Condition")
	}
	return text(keys[0]), nil
}

// listOf returns v as a list: IAM allows a single value instead of a list.
func listOf(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}

// Environment returns the variables of a function that are not empty.
func (t *Template) Environment(function string) map[string]string {
	env := make(map[string]string)
	if f := t.Resources[function]; f != nil {
		variables, _ := f.Get("Environment", "Variables").(map[string]any)
		for name, v := range variables {
			if value := text(v); value != "" {
				env[name] = value
			}
		}
	}
	return env
}

// Routes returns, by route key, the id of the function of each route of the
// HTTP API. Every route must have a function, with payload format 2.0.
func (t *Template) Routes() (map[string]string, error) {
	routes := make(map[string]string)
	for _, r := range t.Of("AWS::ApiGatewayV2::Route") {
		key := r.Text("RouteKey")
		if routes[key] != "" {
			return nil, fmt.Errorf("cfn: there are two routes %s", key)
		}
		id, ok := strings.CutPrefix(r.Text("Target"), "integrations/${")
		i := t.Resources[strings.TrimSuffix(id, "}")]
		if !ok || i == nil || i.Type != "AWS::ApiGatewayV2::Integration" {
			return nil, fmt.Errorf("cfn: the route %s has the target %s, which is not an integration", key, r.Text("Target"))
		}
		if i.Text("IntegrationType") != "AWS_PROXY" || i.Text("PayloadFormatVersion") != "2.0" {
			return nil, fmt.Errorf("cfn: %s is %s with payload format %s", i.ID, i.Text("IntegrationType"), i.Text("PayloadFormatVersion"))
		}
		id, ok = strings.CutPrefix(i.Text("IntegrationUri"), "${")
		f := t.Resources[strings.TrimSuffix(id, ".Arn}")]
		if !ok || f == nil || f.Type != "AWS::Lambda::Function" {
			return nil, fmt.Errorf("cfn: %s has the target %s, which is not a function", i.ID, i.Text("IntegrationUri"))
		}
		routes[key] = f.ID
	}
	return routes, nil
}

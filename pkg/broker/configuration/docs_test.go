package configuration_test

import (
	"errors"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/config"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// page is the reference of the document.
const page = "../../../docs/configuration.md"

var block = regexp.MustCompile("(?s)```(json|text)\n(.*?)```")

// examples returns the documents on the page and the documented faults of each,
// "" for none.
func examples(t *testing.T) (documents, faults []string) {
	t.Helper()
	for _, m := range block.FindAllStringSubmatch(string(must.ReadFile(t, page)), -1) {
		if m[1] == "text" {
			faults[len(faults)-1] = strings.TrimSpace(m[2])
			continue
		}
		documents, faults = append(documents, m[2]), append(faults, "")
	}
	return documents, faults
}

func TestDocumentedExamples(t *testing.T) {
	documents, faults := examples(t)
	if got, want := len(documents), 6; got != want {
		t.Fatalf("found %d examples in %s, want %d", got, page, want)
	}
	if got, want := documents[0], string(config.Example()); got != want {
		t.Errorf("the documented example is\n%s\nwant\n%s", got, want)
	}
	for i, document := range documents {
		d := direct
		if i == 3 { // "For brokered mode"
			d = brokered
		}
		if got := strings.Join(faultsOf(t, document, d), "\n"); got != faults[i] {
			t.Errorf("faults of example %d:\n%s\nwant\n%s", i, got, faults[i])
		}
	}
	if faults[5] == "" {
		t.Error("the last example has no fault")
	}
}

// policyOf returns the policy of a document.
func policyOf(t *testing.T, document string, d broker.Deployment) *policy.Policy {
	t.Helper()
	return parse(t, document, d).Policy
}

func profile(t *testing.T, p *policy.Policy, name string) *policy.Profile {
	t.Helper()
	pr, ok := p.Profile(name)
	if !ok {
		t.Fatalf("Profile(%q): not there", name)
	}
	return pr
}

func codeOf(err error) dcr.Code {
	if e, ok := errors.AsType[*dcr.Error](err); ok {
		return e.Code
	}
	return ""
}

// register returns the metadata with which a client that sends body is
// registered.
func register(t *testing.T, p *policy.Profile, body string) (dcr.ParsedMetadata, error) {
	t.Helper()
	r, err := dcr.Decode([]byte(body))
	if err != nil {
		t.Fatalf("Decode(%s): %v", body, err)
	}
	m, err := dcr.Validate(r.Metadata)
	if err != nil {
		t.Fatalf("Validate(%s): %v", body, err)
	}
	return p.Apply(m)
}

func TestDocumentedExamplesDoWhatTheTextSays(t *testing.T) {
	documents, _ := examples(t)
	hosted, tokens := policyOf(t, documents[1], direct), policyOf(t, documents[2], direct)
	tests := []struct {
		policy        *policy.Policy
		profile, body string
		want          string // method and scope, or the code of the refusal
	}{
		{hosted, "hosted", `{"redirect_uris": ["https://claude.ai/api/mcp/auth_callback"]}`, "none mcp/read"},
		{hosted, "hosted", `{"redirect_uris": ["https://shop.apps.example.com/oauth/callback"], "scope": "mcp/write"}`, "none mcp/read"},
		{hosted, "hosted", `{"redirect_uris": ["http://localhost:3118/callback"]}`, "invalid_redirect_uri"},
		{hosted, "ci", `{"grant_types": ["client_credentials"]}`, "client_secret_basic mcp/read"},
		{hosted, "ci", `{"grant_types": ["client_credentials"], "scope": "mcp/write"}`, "client_secret_basic mcp/write"},
		{hosted, "ci", `{"redirect_uris": ["https://claude.ai/api/mcp/auth_callback"]}`, "insufficient_scope"},
		{tokens, "partner", `{"redirect_uris": ["https://partner.example/oauth/one"]}`, "client_secret_basic openid mcp/read"},
		{tokens, "partner", `{"redirect_uris": ["https://partner.example/oauth/one"], "token_endpoint_auth_method": "none"}`, "insufficient_scope"},
		{tokens, "mobile", `{"redirect_uris": ["com.example.app:/callback"]}`, "none openid mcp/read mcp/write"},
		{tokens, "testing", `{"redirect_uris": ["http://127.0.0.1:6274/oauth/callback"]}`, "none openid mcp/read mcp/write"},
		{tokens, "testing", `{"redirect_uris": ["com.example.app:/callback"]}`, "invalid_redirect_uri"},
	}
	for _, tt := range tests {
		m, err := register(t, profile(t, tt.policy, tt.profile), tt.body)
		got := m.TokenEndpointAuthMethod + " " + m.Scope
		if err != nil {
			got = string(codeOf(err))
		}
		if got != tt.want {
			t.Errorf("%s: %s: %s (%v), want %s", tt.profile, tt.body, got, err, tt.want)
		}
	}
	// The example and documents without members of brokered mode are for both modes.
	for i, document := range documents[:3] {
		if faults := faultsOf(t, document, brokered); faults != nil {
			t.Errorf("faults of example %d in brokered mode: %q", i, faults)
		}
	}
	if open, ok := tokens.Open(); ok {
		t.Errorf("the last example has open registration under %s, want none", open.Name())
	}
}

func TestDocumentedExampleForBrokeredMode(t *testing.T) {
	documents, _ := examples(t)
	p := policyOf(t, documents[3], brokered)
	hosted, partner, jobs := profile(t, p, "hosted"), profile(t, p, "partner"), profile(t, p, "jobs")
	if got := hosted; got.AppClient() != policy.SharedAppClient || got.Consent() != policy.ConsentRemember || got.Lifetimes().Unconfirmed != 72*time.Hour ||
		!got.Users().Allow([]string{"staff"}, []string{"COGNITO"}) || got.Users().Allow(nil, []string{"COGNITO"}) {
		t.Errorf("hosted does not match the text: %+v", got)
	}
	if got := partner; got.AppClient() != policy.SharedAppClient || got.Consent() != policy.ConsentAlways || got.Lifetimes().Unconfirmed != 720*time.Hour ||
		!got.Users().Allow(nil, []string{"PartnerSSO"}) || got.Users().Allow([]string{"staff"}, []string{"COGNITO"}) {
		t.Errorf("partner does not match the text: %+v", got)
	}
	if jobs.AppClient() != policy.DedicatedAppClient || jobs.Lifetimes().Unconfirmed != 0 {
		t.Errorf("jobs does not match the text: %+v", jobs)
	}
}

func TestDocumentedExampleForCI(t *testing.T) {
	documents, _ := examples(t)
	p := policyOf(t, documents[4], direct)
	if got := profile(t, p, "vendors").SoftwareStatements(); got != policy.RequireStatements {
		t.Errorf("software statements of vendors: %s, want require", got)
	}
	const gitHub, pool = "https://token.actions.githubusercontent.com", "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI"
	for _, tt := range []struct {
		issuer string
		claims policy.Claims
		want   string
	}{
		{gitHub, policy.Claims{"aud": "https://auth.example.com", "repository_id": "74", "environment": "production", "ref": "refs/heads/main"}, "github"},
		{gitHub, policy.Claims{"aud": "https://auth.example.com", "repository_id": "74", "ref": "refs/pull/1/merge"}, "insufficient_scope"},
		// Another person has registered the name of a repository that was renamed.
		{gitHub, policy.Claims{"aud": "https://auth.example.com", "repository_id": "75", "repository": "octo-org/octo-repo", "environment": "production"}, "insufficient_scope"},
		{pool, policy.Claims{"aud": "1example23456789abcdefghij", "token_use": "id", "cognito:groups": []any{"users", "operators"}}, "operators"},
		{pool, policy.Claims{"aud": "1example23456789abcdefghij", "token_use": "id", "cognito:groups": []any{"users"}}, "insufficient_scope"},
		{pool, policy.Claims{"client_id": "1example23456789abcdefghij", "token_use": "access", "cognito:groups": []any{"operators"}}, "invalid_token"},
	} {
		rule, err := p.TokenRule(tt.issuer, tt.claims)
		got := string(codeOf(err))
		if err == nil {
			got = rule.Name()
		}
		if got != tt.want {
			t.Errorf("%s, %v: %s, want %s", tt.issuer, tt.claims, got, tt.want)
		}
	}
	if err := p.ApproveStatement("https://publisher.example.com", policy.Claims{"software_id": "crm"}); err != nil {
		t.Error(err)
	}
}

func TestDocumentedRedirectRuleOfAClientWithoutRedirectURIs(t *testing.T) {
	documents, _ := examples(t)
	ci := profile(t, policyOf(t, documents[1], direct), "ci")
	m, err := register(t, ci, `{"grant_types": ["client_credentials"], "redirect_uris": ["https://claude.ai/"]}`)
	if err != nil {
		t.Fatal(err)
	}
	if got := ci.RedirectRule(m); got != "-" || m.GrantTypes[0] != dcr.GrantClientCredentials {
		t.Errorf("RedirectRule = %q for %q, want %q", got, m.GrantTypes, "-")
	}
}

// rows are the members in the tables of the page.
var rows = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|")

// Each member of the document is in a table of the page, at least by its last
// name.
func TestEachMemberIsDocumented(t *testing.T) {
	documented := make(map[string]bool)
	for _, m := range rows.FindAllStringSubmatch(string(must.ReadFile(t, page)), -1) {
		documented[m[1][strings.LastIndexAny(m[1], ".]")+1:]] = true
	}
	var members func(o reflect.Type)
	members = func(o reflect.Type) {
		switch o.Kind() {
		case reflect.Slice, reflect.Pointer, reflect.Map:
			members(o.Elem())
		case reflect.Struct:
			for i := range o.NumField() {
				field := o.Field(i)
				name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
				// The tables of a profile name the members of its objects with a dot.
				isPart := name == "scopes" || name == "limits" || name == "users"
				if name != "" && !documented[name] && !isPart {
					t.Errorf("%s does not have %s in a table", page, name)
				}
				members(field.Type)
			}
		}
	}
	members(reflect.TypeFor[configuration.Document]())
}

package policy_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// reference reads docs/policy.md.
func reference(t *testing.T) string {
	t.Helper()
	b := must.ReadFile(t, "../../../docs/policy.md")
	return string(b)
}

var (
	block  = regexp.MustCompile("(?s)```(json|text)\n(.*?)```")
	preset = regexp.MustCompile("(?m)^\\| `([a-z0-9-]+)` \\| (.*(?:loopback|`https://).*) \\|$")
	uri    = regexp.MustCompile("`([^`]+://[^`]+)`")
)

// examples returns the documents in docs/policy.md and the documented faults of
// each, "" for none.
func examples(t *testing.T) (documents, faults []string) {
	t.Helper()
	for _, m := range block.FindAllStringSubmatch(reference(t), -1) {
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
		t.Fatalf("found %d examples in docs/policy.md, want %d", got, want)
	}
	if got, want := documents[0], string(policy.Default()); got != want {
		t.Errorf("the documented default is\n%s\nwant\n%s", got, want)
	}
	for i, document := range documents {
		d := deployment
		if i == 3 { // "For brokered mode"
			d.mode = broker.ModeBrokered
		}
		if got := strings.Join(faultsOf(t, []byte(document), d), "\n"); got != faults[i] {
			t.Errorf("faults of example %d:\n%s\nwant\n%s", i, got, faults[i])
		}
	}
}

func TestDocumentedExamplesDoWhatTheTextSays(t *testing.T) {
	documents, _ := examples(t)
	hosted, tokens := parse(t, documents[1], deployment), parse(t, documents[2], deployment)
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
	// The default document and those without brokered keys are for both modes.
	for i, document := range documents[:3] {
		inBrokered := deployment
		inBrokered.mode = broker.ModeBrokered
		if faults := faultsOf(t, []byte(document), inBrokered); faults != nil {
			t.Errorf("faults of example %d in brokered mode: %q", i, faults)
		}
	}
	if open, ok := tokens.Open(); ok {
		t.Errorf("the last example has open registration under %s, want none", open.Name())
	}
}

func TestDocumentedExampleForBrokeredMode(t *testing.T) {
	documents, _ := examples(t)
	p := parse(t, documents[3], offer{scopes: deployment.scopes, mode: broker.ModeBrokered})
	hosted, partner, jobs := profile(t, p, "hosted"), profile(t, p, "partner"), profile(t, p, "jobs")
	if got := hosted; got.AppClient() != policy.SharedAppClient || got.Consent() != policy.ConsentRemember || got.Lifetimes().Unconfirmed != 72*time.Hour ||
		!got.Users().Allow([]string{"staff"}, "COGNITO") || got.Users().Allow(nil, "COGNITO") {
		t.Errorf("hosted does not match the text: %+v", got)
	}
	if got := partner; got.AppClient() != policy.DedicatedAppClient || got.Consent() != policy.ConsentAlways || got.Lifetimes().Unconfirmed != 720*time.Hour ||
		!got.Users().Allow(nil, "PartnerSSO") || got.Users().Allow([]string{"staff"}, "COGNITO") {
		t.Errorf("partner does not match the text: %+v", got)
	}
	if jobs.AppClient() != policy.DedicatedAppClient || jobs.Lifetimes().Unconfirmed != 0 {
		t.Errorf("jobs does not match the text: %+v", jobs)
	}
}

func TestDocumentedExampleForCI(t *testing.T) {
	documents, _ := examples(t)
	p := parse(t, documents[4], deployment)
	if got := profile(t, p, "vendors").SoftwareStatements(); got != policy.RequireStatements {
		t.Errorf("software statements of vendors: %s, want require", got)
	}
	const gitHub, pool = "https://token.actions.githubusercontent.com", "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI"
	for _, tt := range []struct {
		issuer string
		claims policy.Claims
		want   string
	}{
		{gitHub, policy.Claims{"aud": "https://auth.example.com", "repository": "octo-org/octo-repo", "ref": "refs/heads/main"}, "github"},
		{gitHub, policy.Claims{"aud": "https://auth.example.com", "repository": "octo-org/octo-repo", "ref": "refs/pull/1/merge"}, "insufficient_scope"},
		{gitHub, policy.Claims{"aud": "https://auth.example.com", "repository": "evil/octo-repo", "ref": "refs/heads/main"}, "insufficient_scope"},
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

// TestDocumentedPresets registers the redirect URIs of the table and compares
// its loopback column.
func TestDocumentedPresets(t *testing.T) {
	var names []string
	for _, row := range preset.FindAllStringSubmatch(reference(t), -1) {
		name := row[1]
		if !slices.Contains(policy.Presets(), name) {
			continue // a row of another table
		}
		names = append(names, name)
		p := redirectProfile(t, `{"presets": ["`+name+`"]}`)
		for _, m := range uri.FindAllStringSubmatch(row[2], -1) {
			if u := strings.ReplaceAll(m[1], "/*", "/x1"); !allows(t, p, u) {
				t.Errorf("preset %s refuses %s", name, u)
			}
		}
		if got, want := allows(t, p, "http://localhost:4711/x"), strings.Contains(row[2], "loopback"); got != want {
			t.Errorf("preset %s allows loopback: %t, documented: %t", name, got, want)
		}
		if allows(t, p, "https://evil.example/x1") {
			t.Errorf("preset %s allows https://evil.example/x1", name)
		}
	}
	if want := policy.Presets(); !slices.Equal(names, want) {
		t.Errorf("documented presets %q, want %q", names, want)
	}
}

func TestDocumentedRedirectHostOfAClientWithoutRedirectURIs(t *testing.T) {
	documents, _ := examples(t)
	ci := profile(t, parse(t, documents[1], deployment), "ci")
	m, err := register(t, ci, `{"grant_types": ["client_credentials"], "redirect_uris": ["https://claude.ai/"]}`)
	if err != nil {
		t.Fatal(err)
	}
	if got := policy.RedirectHost(dcr.Parse(m)); got != "-" || m.GrantTypes[0] != dcr.GrantClientCredentials {
		t.Errorf("RedirectHost = %q for %q, want %q", got, m.GrantTypes, "-")
	}
}

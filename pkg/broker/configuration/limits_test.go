package configuration_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
)

// servers returns a document with n scopes of each of the resource servers, the
// first of which a profile allows.
func servers(count, n int, members string) string {
	scopes := list(count*n, func(i int) string { return fmt.Sprintf(`{"name": "https://s%d.example.com/%d"}`, i/n, i%n) })
	return `{"version": 1, "scopes": ` + scopes + `, "profiles": {"p": {"redirect_uris": {"loopback": true},
		"scopes": {"allowed": ["https://s0.example.com/0"]}}}` + members + `}`
}

func TestResourceServersAreCounted(t *testing.T) {
	tests := []struct {
		document string
		mode     broker.Deployment
		want     []string
	}{
		{servers(25, 2, ""), brokered, nil},
		{servers(26, 1, ""), brokered, []string{
			`scopes: 26 resource servers, and the user pool can have 25; let MCP servers share scopes and set resource_binding, which tells them apart, ` +
				`or have the quota raised, to at most 300, and set resource_server_quota`}},
		{servers(26, 1, ""), direct, []string{
			`scopes: 26 resource servers, and the user pool can have 25; have the quota raised, to at most 300, and set resource_server_quota`}},
		{servers(26, 1, `, "resource_server_quota": 26`), brokered, nil},
		{servers(26, 1, `, "resource_server_quota": 20`), brokered, []string{
			`scopes: 26 resource servers, and the user pool can have 20; let MCP servers share scopes and set resource_binding, which tells them apart, ` +
				`or have the quota raised, to at most 300, and set resource_server_quota`}},
		{servers(2, 100, ""), brokered, nil},
		{servers(2, 101, ""), brokered, []string{
			`scopes: 101 scopes of the resource server "https://s0.example.com", which can have 100; let MCP servers share scopes and set resource_binding, which tells them apart, or divide them among resource servers`,
			`scopes: 101 scopes of the resource server "https://s1.example.com", which can have 100; let MCP servers share scopes and set resource_binding, which tells them apart, or divide them among resource servers`}},
	}
	for _, tt := range tests {
		if got := faultsOf(t, tt.document, tt.mode); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %.100s\nfaults:\n%s\nwant:\n%s", tt.mode.Mode, tt.document, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
		}
	}
}

func TestScopesOfEachAppClientAreCounted(t *testing.T) {
	const advice = `; list those that are needed, let MCP servers share scopes and set resource_binding, which tells them apart, or divide the profile`
	of := func(n int, profiles string) string {
		return `{"version": 1, "scopes": ` + list(n, func(i int) string { return fmt.Sprintf(`{"name": "a/%d"}`, i) }) + `, "profiles": {` + profiles + `}}`
	}
	first := list(49, func(i int) string { return fmt.Sprintf(`"a/%d"`, i) })
	const loopback = `"redirect_uris": {"loopback": true}`
	for _, tt := range []struct {
		document string
		want     []string
	}{
		{of(49, `"p": {`+loopback+`}`), nil},
		{of(50, `"p": {`+loopback+`}, "q": {`+loopback+`, "scopes": {"allowed": `+first+`}}`), []string{
			`profiles.p.scopes.allowed: 50 scopes, and an app client can have 49 besides openid, which the broker needs` + advice}},
	} {
		if got := faultsOf(t, tt.document, brokered); !slices.Equal(got, tt.want) {
			t.Errorf("faults:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
		}
	}
}

// manyServers returns a document with n protected resources that share 40
// scopes.
func manyServers(n int, members string) string {
	name := func(i int) string {
		return []string{"mcp/notes", "mcp/files", "mcp/mail", "mcp/tasks"}[i/10] + "." + string(rune('a'+i%10))
	}
	scopes := list(40, func(i int) string {
		return fmt.Sprintf(`{"name": %q, "description": "Read and change what is yours, in the part %d of 40 of this service"}`, name(i), i)
	})
	shared := strings.ReplaceAll(list(40, func(i int) string { return fmt.Sprintf("%q", name(i)) }), ", ", ",")
	resources := list(n, func(i int) string {
		return fmt.Sprintf(`{"resource":"https://s%d.example.com/mcp","name":"Server %d","scopes":%s}`, i, i, shared)
	})
	return `{"version": 1, "scopes": ` + scopes + `, "protected_resources": ` + resources + `, "profiles": {"p": {"redirect_uris": {"loopback": true}}}` + members + `}`
}

func TestManyServersShareDescribedScopes(t *testing.T) {
	document := manyServers(200, `, "resource_binding": true`)
	if len(document) > configuration.MaxSize {
		t.Fatalf("the document has %d bytes, want at most %d", len(document), configuration.MaxSize)
	}
	c := parse(t, document, brokered)
	if len(c.Resources) != 200 || len(c.Resources[199].Scopes) != 40 || len(c.Scopes) != 40 || len(c.ScopeDescriptions()) != 40 {
		t.Errorf("%d resources, %d scopes, %d descriptions, want 200, 40 and 40", len(c.Resources), len(c.Scopes), len(c.ScopeDescriptions()))
	}
	// Without resource binding, each scope of the second and later servers is a
	// fault.
	if got := len(faultsOf(t, manyServers(3, ""), brokered)); got != 80 {
		t.Errorf("%d faults without resource_binding, want 80", got)
	}
}

// largest returns documents of 128 KB. Each is of a kind for which a careless
// check takes time that grows with the square of its size.
func largest() map[string]string {
	fill := func(element func(i int) string) string { // as many as fit
		size, n := 0, 0
		for ; size < configuration.MaxSize-300; n++ {
			size += len(element(n)) + len(", ")
		}
		return list(n-1, element)
	}
	half := func(element func(i int) string) string {
		l := fill(element)
		l = l[:len(l)/2]
		return l[:strings.LastIndex(l, ", ")] + "]"
	}
	return map[string]string{
		"resources":      documentWith(`, "protected_resources": ` + fill(func(i int) string { return fmt.Sprintf(`{"resource": "https://a/%d"}`, i) })),
		"scopes":         `{"version": 1, "scopes": ` + fill(func(i int) string { return fmt.Sprintf(`{"name": "s%d/a"}`, i) }) + `}`,
		"unknown scopes": `{"version": 1, "scopes": ` + half(func(i int) string { return fmt.Sprintf(`{"name": "a/%d"}`, i) }) + `, "scopes_supported": ` + half(func(i int) string { return fmt.Sprintf(`"b/%d"`, i) }) + `}`,
		"published scopes": `{"version": 1, "scopes": ` + half(func(i int) string { return fmt.Sprintf(`{"name": "a%d/%d"}`, i/100, i%100) }) + `, "scopes_supported": ` + half(func(i int) string { return fmt.Sprintf(`"a%d/%d"`, i/100, i%100) }) +
			`, "resource_server_quota": 300, "profiles": {"p": {"redirect_uris": {"loopback": true}, "scopes": {"allowed": ["a/0"]}}}}`,
		"profiles of all scopes": `{"version": 1, "scopes": ` + half(func(i int) string { return fmt.Sprintf(`{"name": "a/%d"}`, i) }) + `, "profiles": {` +
			strings.NewReplacer("[", "", "]", "").Replace(half(func(i int) string { return fmt.Sprintf(`"p%d": {}`, i) })) + `}}`,
		"issuers":       documentWith(`, "token_issuers": ` + fill(func(i int) string { return fmt.Sprintf(`{"issuer": "https://a/%d"}`, i) })),
		"unknown names": `{` + strings.NewReplacer("[", "", "]", "").Replace(fill(func(i int) string { return fmt.Sprintf(`"%d": 1`, i) })) + `}`,
		"brackets":      strings.Repeat("[", configuration.MaxSize),
		"numbers":       `{"version": ` + strings.Repeat("9", configuration.MaxSize-13) + `}`,
		"one scope":     documentWith(`, "scopes_supported": ["` + strings.Repeat("a", configuration.MaxSize-300) + `"]`),
	}
}

func TestFaultsOfTheLargestDocumentsAreCut(t *testing.T) {
	for name, text := range largest() {
		if len(text) > configuration.MaxSize {
			t.Errorf("%s: %d bytes, want at most %d", name, len(text), configuration.MaxSize)
		}
		if _, err := configuration.Parse([]byte(text), brokered); err != nil && len(err.Error()) > 2<<20 {
			t.Errorf("%s: the faults have %d bytes", name, len(err.Error()))
		}
	}
}

// The time that the largest documents take, whatever is in them: each process
// checks a new version once.
func BenchmarkParseLargest(b *testing.B) {
	for name, text := range largest() {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				_, _ = configuration.Parse([]byte(text), brokered)
			}
		})
	}
}

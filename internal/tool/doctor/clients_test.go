package doctor

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/dcr-broker/dcr-broker/test/must"
)

// The doctor registers as the clients do (testdata/registrations names the
// source of each body), except that the scopes are those of the server.
func TestRegistrationsMatchTheClients(t *testing.T) {
	withMetadata := &doctor{scopes: []string{"mcp/read"}, server: object{"grant_types_supported": []byte(`["authorization_code","refresh_token"]`)}}
	for file, tt := range map[string]struct {
		slug string
		d    *doctor
	}{
		"vscode.json":                     {"vscode", withMetadata},
		"claude-hosted.json":              {"claude", withMetadata},
		"claude-code.json":                {"claude-code", withMetadata},
		"chatgpt.json":                    {"chatgpt", withMetadata},
		"cursor.json":                     {"cursor", withMetadata},
		"gemini-cli.json":                 {"gemini-cli", withMetadata},
		"mcp-inspector-web.json":          {"mcp-inspector", withMetadata},
		"mcp-inspector-web-no-scope.json": {"mcp-inspector", &doctor{}},
		"opencode.json":                   {"opencode", &doctor{}},
		"ts-sdk-v1.json":                  {"typescript-sdk", withMetadata},
	} {
		t.Run(file, func(t *testing.T) {
			got, want := body(t, tt.slug, tt.d), fixture(t, file)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s sends %v\nwant %v", tt.slug, got, want)
			}
		})
	}
	// An application chooses its scope; the example has one for another server.
	want := fixture(t, "go-sdk.json")
	delete(want, "scope")
	if got := body(t, "go-sdk", withMetadata); !reflect.DeepEqual(got, want) {
		t.Errorf("go-sdk sends %v\nwant %v", got, want)
	}
	// VS Code registers for all its grant types if the metadata lists none.
	insiders := fixture(t, "vscode-as-omits-grant-types.json")
	if got := body(t, "vscode", &doctor{}); !reflect.DeepEqual(got["grant_types"], insiders["grant_types"]) {
		t.Errorf("grant_types = %v, want %v", got["grant_types"], insiders["grant_types"])
	}
}

func body(t *testing.T, slug string, d *doctor) map[string]any {
	t.Helper()
	for _, k := range knownClients {
		if k.slug == slug {
			raw := must.Marshal(t, k.body(d))
			var got map[string]any
			if err := json.Unmarshal(raw, &got); err != nil {
				t.Fatal(err)
			}
			return got
		}
	}
	t.Fatalf("no client %s", slug)
	return nil
}

func fixture(t *testing.T, file string) map[string]any {
	t.Helper()
	raw := must.ReadFile(t, "../../../testdata/registrations/"+file)
	var want map[string]any
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	return want
}

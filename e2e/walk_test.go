package e2e

import (
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/e2e/walk"
)

func TestWalk(t *testing.T) {
	needs(t, "E2E_MCP_URL", target.mcp)
	needs(t, "E2E_USERNAME", target.username)
	needs(t, "E2E_PASSWORD", target.password)
	o := walk.Options{MCP: target.mcp, Username: target.username, Password: target.password}
	walks := []struct {
		name, method string // method "" is open registration
	}{
		{"public client", ""},
		{"confidential client, secret in the header", "client_secret_basic"},
		{"confidential client, secret in the body", "client_secret_post"},
	}
	for _, tt := range walks {
		t.Run(tt.name, func(t *testing.T) {
			o := o
			if tt.method != "" {
				needsInitialAccessToken(t)
				o.InitialAccessToken, o.AuthMethod = target.initialAccessToken, tt.method
			}
			var report strings.Builder
			if err := walk.Run(t.Context(), &report, o); err != nil {
				t.Fatalf("%v\n%s", err, report.String())
			}
		})
	}
}

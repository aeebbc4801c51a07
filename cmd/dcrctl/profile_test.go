package main

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/emulator"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
)

func TestProfileApplyMakesTheSharedAppClient(t *testing.T) {
	d := newDCRCtl(t)
	pool, err := emulator.New(emulator.Config{
		BaseURL: "http://localhost:9229", ManagedLogin: 2,
		ResourceServers: []emulator.ResourceServer{{Identifier: "mcp", Scopes: []string{"read"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(pool)
	defer srv.Close()
	keys := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(keys, seal.Generate(), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"ISSUER": "https://auth.example.com", "USER_POOL_ID": "us-east-1_local00001", "COGNITO_DOMAIN": "https://pool.example.com",
		"COGNITO_ENDPOINT": srv.URL, "DEPLOYMENT_ID": "test", "KEYS": keys, "LOGIN_VERSION": "2",
	} {
		d.env[name] = value
	}

	first, _ := d.must("profile", "apply", "open")
	again, _ := d.must("profile", "apply", "open")
	all := pool.AppClients()
	if len(all) != 1 || strings.TrimSpace(first) != all[0].ClientID || again != first {
		t.Fatalf("printed %q and %q, the pool has %d app clients, want the id of the only one twice", first, again, len(all))
	}
	if n := pool.Calls("CreateManagedLoginBranding"); n != 1 {
		t.Errorf("%d branding styles made, want 1", n)
	}

	for _, tt := range []struct {
		name, says string
		change     map[string]string
		args       []string
	}{
		{"a profile that is not shared", "shared app client", nil, []string{"profile", "apply", "trusted"}},
		{"no such profile", "shared app client", nil, []string{"profile", "apply", "nosuch"}},
		{"an environment that is not complete", "KEYS: must be set", map[string]string{"KEYS": ""}, []string{"profile", "apply", "open"}},
		{"direct mode", "AUTHORIZATION=brokered", map[string]string{"AUTHORIZATION": "direct"}, []string{"profile", "apply", "open"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			old := make(map[string]string)
			for name, value := range tt.change {
				old[name], d.env[name] = d.env[name], value
			}
			code, out, errs := d.run(tt.args...)
			for name, value := range old {
				d.env[name] = value
			}
			if code != 1 || out != "" || !strings.Contains(errs, tt.says) {
				t.Errorf("dcrctl %q = %d, %q, %q, want 1 and %q", tt.args, code, out, errs, tt.says)
			}
		})
	}
}

package devstack

import (
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
)

func TestTokenProfile(t *testing.T) {
	const loopback = `"redirect_uris":{"loopback":true}`
	for _, tt := range []struct{ open, profiles, want string }{
		{`"a"`, `"a":{LOOPBACK},"b":{LOOPBACK},"trusted":{LOOPBACK}`, "trusted"},
		{`"a"`, `"a":{LOOPBACK},"b":{LOOPBACK},"c":{LOOPBACK}`, "b"},
		{`null`, `"a":{LOOPBACK},"b":{LOOPBACK}`, "a"},
		{`"a"`, `"a":{LOOPBACK}`, "a"},
		{`"a"`, `"a":{LOOPBACK},"b":{LOOPBACK,"software_statements":"require"}`, "a"},
		{`"trusted"`, `"b":{LOOPBACK},"trusted":{LOOPBACK}`, "b"},
		{`"a"`, `"a":{LOOPBACK,"software_statements":"require"},"trusted":{LOOPBACK,"software_statements":"require"}`, ""},
	} {
		body := `{"version":1,"scopes":[{"name":"mcp/read"}],"statement_issuers":[{"issuer":"https://publisher.example.com"}],` +
			`"open_registration":` + tt.open + `,"profiles":{` + strings.ReplaceAll(tt.profiles, "LOOPBACK", loopback) + `}}`
		conf, err := configuration.Parse([]byte(body), deploymentOf(broker.ModeBrokered))
		if err != nil {
			t.Fatal(err)
		}
		if got := tokenProfile(conf.Policy); got != tt.want {
			t.Errorf("tokenProfile of %s, open %s = %q, want %q", tt.profiles, tt.open, got, tt.want)
		}
	}
}

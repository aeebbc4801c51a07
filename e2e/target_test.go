package e2e

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/devstack"
)

// target is the deployment under test. It does not change once TestMain has set
// it. A field that is empty cannot be known.
var target struct {
	base               string // the broker's origin
	mcp                string
	username, password string
	initialAccessToken string
	stack              *devstack.Stack // nil if it runs elsewhere
}

func TestMain(m *testing.M) {
	if err := aim(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	code := m.Run()
	if target.stack != nil {
		if err := target.stack.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "e2e: close the stack:", err)
			code = 1
		}
	}
	os.Exit(code)
}

func aim() error {
	if base := os.Getenv("E2E_BASE_URL"); base != "" {
		u, err := url.Parse(base)
		if err != nil || u.Host == "" || (u.Path != "" && u.Path != "/") {
			return fmt.Errorf("E2E_BASE_URL: %q is not an origin such as https://auth.example.com", base)
		}
		target.base = u.Scheme + "://" + u.Host
		target.mcp = os.Getenv("E2E_MCP_URL")
		target.username = os.Getenv("E2E_USERNAME")
		target.password = os.Getenv("E2E_PASSWORD")
		target.initialAccessToken = os.Getenv("E2E_INITIAL_ACCESS_TOKEN")
		return nil
	}
	s, err := devstack.Start(context.Background(), devstack.Options{})
	if err != nil {
		return err
	}
	target.base, target.mcp, target.stack = s.Issuer, s.MCP, s
	target.username, target.password, target.initialAccessToken = s.Username, s.Password, s.InitialAccessToken
	return nil
}

// needs skips the test unless value is known.
func needs(t *testing.T, variable, value string) {
	t.Helper()
	if value == "" {
		t.Skipf("not run: needs %s beside E2E_BASE_URL", variable)
	}
}

func needsInitialAccessToken(t *testing.T) {
	t.Helper()
	needs(t, "E2E_INITIAL_ACCESS_TOKEN", target.initialAccessToken)
}

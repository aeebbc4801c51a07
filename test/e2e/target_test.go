package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/tool/devstack"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// deployment is a deployment under test. An empty field is unknown.
type deployment struct {
	mode               broker.Mode
	base               string // the broker's origin
	mcp                string
	username, password string
	initialAccessToken string
	introspection      introspector
	stack              *devstack.Stack // nil with E2E_BASE_URL
	confidentialClient *registration   // see confidential; nil before its first call
}

// introspector has the MCP server's credentials at /introspect.
type introspector struct{ id, secret string }

// targets are the deployments under test: one of each mode in this process, or
// the one that E2E_BASE_URL names.
var targets []*deployment

func TestMain(m *testing.M) {
	if err := setTargets(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", errors.Join(err, stop()))
		os.Exit(1)
	}
	code := m.Run()
	if err := stop(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e: close the stack:", err)
		code = 1
	}
	os.Exit(code)
}

func setTargets() error {
	if base := os.Getenv("E2E_BASE_URL"); base != "" {
		d, err := deploymentAt(base)
		if err == nil {
			targets = []*deployment{d}
		}
		return err
	}
	for _, mode := range []broker.Mode{broker.ModeDirect, broker.ModeBrokered} {
		s, err := devstack.Start(context.Background(), devstack.Options{Getenv: func(name string) string {
			return map[string]string{"AUTHORIZATION": string(mode)}[name]
		}})
		if err != nil {
			return err
		}
		targets = append(targets, &deployment{
			mode: s.Authorization, base: s.Issuer, mcp: s.MCP, username: s.Username, password: s.Password,
			initialAccessToken: s.InitialAccessToken, stack: s,
			introspection: introspector{devstack.IntrospectionID, devstack.IntrospectionSecret},
		})
	}
	return nil
}

func stop() error {
	var err error
	for _, d := range targets {
		if d.confidentialClient != nil {
			err = errors.Join(err, d.confidentialClient.remove(d))
		}
		if d.stack != nil {
			err = errors.Join(err, d.stack.Close())
		}
	}
	return err
}

// deploymentAt returns the deployment at base, with the settings in the
// environment.
func deploymentAt(base string) (*deployment, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || (u.Path != "" && u.Path != "/") {
		return nil, fmt.Errorf("E2E_BASE_URL: %q is not an origin such as https://auth.example.com", base)
	}
	d := &deployment{
		base:               u.Scheme + "://" + u.Host,
		mcp:                os.Getenv("E2E_MCP_URL"),
		username:           os.Getenv("E2E_USERNAME"),
		password:           os.Getenv("E2E_PASSWORD"),
		initialAccessToken: os.Getenv("E2E_INITIAL_ACCESS_TOKEN"),
		introspection:      introspector{os.Getenv("E2E_INTROSPECTION_ID"), os.Getenv("E2E_INTROSPECTION_SECRET")},
	}
	d.mode, err = modeOf(d.base)
	return d, err
}

// modeOf returns the mode according to the metadata: only in brokered mode the
// authorization response has iss (RFC 9207).
func modeOf(base string) (broker.Mode, error) {
	res, err := http.Get(base + serverMetadata)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var server struct {
		Issuer      string `json:"issuer"`
		NamesItself bool   `json:"authorization_response_iss_parameter_supported"`
	}
	if err := json.NewDecoder(res.Body).Decode(&server); err != nil || res.StatusCode != http.StatusOK || server.Issuer == "" {
		return "", fmt.Errorf("%s%s = %s without metadata (%v); is this a broker?", base, serverMetadata, res.Status, err)
	}
	if server.NamesItself {
		return broker.ModeBrokered, nil
	}
	return broker.ModeDirect, nil
}

// each runs a test on every deployment under test, as a subtest with the name
// of the mode. If modes are given, it runs on deployments in these modes only.
func each(t *testing.T, f func(*testing.T, *deployment), modes ...broker.Mode) {
	t.Helper()
	ran := false
	for _, d := range targets {
		if len(modes) > 0 && !slices.Contains(modes, d.mode) {
			continue
		}
		ran = true
		t.Run(string(d.mode), func(t *testing.T) { f(t, d) })
	}
	if !ran {
		t.Skipf("not run: the deployment under test is %s", targets[0].mode)
	}
}

func (d *deployment) brokered() bool { return d.mode == broker.ModeBrokered }

// needs skips the test if value is empty.
func needs(t *testing.T, variable, value string) {
	t.Helper()
	if value == "" {
		t.Skipf("not run: needs %s with E2E_BASE_URL", variable)
	}
}

func (d *deployment) needsInitialAccessToken(t *testing.T) {
	t.Helper()
	needs(t, "E2E_INITIAL_ACCESS_TOKEN", d.initialAccessToken)
}

// needsUser skips the test unless there is a user who can sign in.
func (d *deployment) needsUser(t *testing.T) {
	t.Helper()
	needs(t, "E2E_MCP_URL", d.mcp)
	needs(t, "E2E_USERNAME", d.username)
	needs(t, "E2E_PASSWORD", d.password)
}

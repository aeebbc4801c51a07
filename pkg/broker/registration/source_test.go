package registration_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/must"
	"github.com/dcr-broker/dcr-broker/test/world"
)

// hundred is a policy with the limit of the example configuration.
const hundred = `{"version":1,"open_registration":"open","profiles":{"open":{
	"redirect_uris":{"presets":["chatgpt","claude","claude-code","cursor","gemini-cli","inspector","opencode","vscode"],"loopback":true,
		"https":["https://global.consent.azure-apim.net/redirect/*"]},
	"limits":{"creations_per_hour":100}}}}`

type registrar interface {
	Register(ctx context.Context, req *dcr.Request, tok credential.Token) (*dcr.ClientInformation, error)
}

// eachMode runs a test with the policy hundred in both modes.
func eachMode(t *testing.T, test func(t *testing.T, s strangers)) {
	t.Run("brokered", func(t *testing.T) {
		w := world.NewBrokered(t)
		w.UseBrokeredPolicy(hundred)
		test(t, strangers{t, w, w.World})
	})
	t.Run("direct", func(t *testing.T) {
		w := world.New(t)
		w.UsePolicy(hundred)
		test(t, strangers{t, w, w})
	})
}

// strangers register openly.
type strangers struct {
	t *testing.T
	registrar
	world *world.World
}

// register sends a body from a network address, "" if it is not known.
func (s strangers) register(from, body string) error {
	ctx := s.t.Context()
	if from != "" {
		ctx = broker.WithSource(ctx, netip.MustParseAddr(from))
	}
	_, err := s.Register(ctx, world.Request(s.t, body), world.None)
	return err
}

// passed sends n different bodies and returns how many the broker registered. It
// refuses the others with 429.
func (s strangers) passed(n int, from, body string) int {
	s.t.Helper()
	made := 0
	for i := range n {
		if err := s.register(from, fmt.Sprintf(body, i)); err == nil {
			made++
		} else {
			world.WantCode(s.t, from, err, dcr.TooManyRequests)
		}
	}
	return made
}

func (s strangers) want(what string, got, want int) {
	s.t.Helper()
	if got != want {
		s.t.Errorf("%s: %d registrations passed, want %d", what, got, want)
	}
}

const (
	program = `{"client_name":"Program %d","redirect_uris":["http://127.0.0.1/cb"]}`
	chatGPT = `{"client_name":"ChatGPT","redirect_uris":["https://chatgpt.com/connector/oauth/id%d"],
		"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none"}`
	copilotStudio = `{"client_name":"Microsoft Copilot Studio","redirect_uris":["https://global.consent.azure-apim.net/redirect/id%d"],
		"grant_types":["authorization_code","refresh_token"],"token_endpoint_auth_method":"none"}`
)

func TestOneAddressLeavesOthersIn(t *testing.T) {
	eachMode(t, func(t *testing.T, s strangers) {
		s.want("100 bodies from one address", s.passed(100, "192.0.2.1", program), 25)
		err := s.register("192.0.2.1", fmt.Sprintf(program, 1000))
		if e, ok := errors.AsType[*dcr.Error](err); !ok || e.RetryAfter != 30*time.Minute || e.Description != "too many registrations from this network address in this hour" {
			t.Errorf("one more: %v, want a refusal for the network address until the hour is over", err)
		}
		s.want("another address", s.passed(1, "192.0.2.2", named("Other", 0)), 1)
		s.want("another rule", s.passed(1, "192.0.2.1", chatGPT), 1)
		s.world.Wait(30 * time.Minute)
		s.want("the next hour", s.passed(1, "192.0.2.1", named("Later", 0)), 1)
	})
}

// These clients register a redirect URI of their own for each connector, from the
// few addresses of their vendors.
func TestConnectorsFromOneAddress(t *testing.T) {
	eachMode(t, func(t *testing.T, s strangers) {
		s.want("connectors of ChatGPT", s.passed(20, "192.0.2.1", chatGPT), 20)
		s.want("connectors of Copilot Studio", s.passed(20, "192.0.2.1", copilotStudio), 20)
	})
}

// named returns a body with another name than that of any other text and number.
func named(text string, i int) string {
	return fmt.Sprintf(`{"client_name":"%s %d %%d","redirect_uris":["http://127.0.0.1/cb"]}`, text, i)
}

func TestIPv6IsLimitedByNetwork(t *testing.T) {
	eachMode(t, func(t *testing.T, s strangers) {
		made := 0
		for i := range 100 {
			made += s.passed(1, fmt.Sprintf("2001:db8:0:1::%x", i), named("A", i))
		}
		s.want("the addresses of one /64", made, 25)
		made = 0
		for i := range 100 {
			made += s.passed(1, fmt.Sprintf("2001:db8:0:%x::1", 2+i), named("B", i))
		}
		s.want("the other networks of the /48", made, 25) // a half together
		s.want("another /48", s.passed(1, "2001:db8:1::1", named("Other", 0)), 1)
		s.want("the same address as IPv4", s.passed(30, "::ffff:192.0.2.1", named("Mapped", 0)), 25)
		s.want("it, not mapped", s.passed(1, "192.0.2.1", named("Plain", 0)), 0)
	})
}

// Where a proxy hides the addresses of clients, none of them is limited.
func TestAnUnknownSourceHasNoShare(t *testing.T) {
	eachMode(t, func(t *testing.T, s strangers) {
		s.want("bodies", s.passed(100, "", copilotStudio), 100)
	})
}

func TestWellKnownClientsRegisterInABusyHour(t *testing.T) {
	eachMode(t, func(t *testing.T, s strangers) {
		for i := range 8 {
			for _, uri := range []string{
				"http://127.0.0.1/cb", "https://chatgpt.com/connector/oauth/x", "https://claude.ai/api/mcp/auth_callback", "https://vscode.dev/redirect",
				"cursor://anysphere.cursor-mcp/oauth/callback",
			} {
				s.passed(30, fmt.Sprintf("192.0.2.%d", i), fmt.Sprintf(`{"client_name":"Flood %d %%d","redirect_uris":[%q]}`, i, uri))
			}
		}
		for _, tt := range []struct {
			client string
			known  bool
		}{
			{"chatgpt-legacy", true},
			{"claude-hosted", true},
			{"cursor", true},
			{"gemini-cli", true},
			{"mcp-inspector-web", true},
			{"opencode", true},
			{"vscode", true},
			{"vscode-as-omits-grant-types", true},
			{"chatgpt", false},     // its redirect URI has an id, which a stranger can invent
			{"claude-code", false}, // its name has the name of the server
			{"go-sdk", false},      // it is no preset
		} {
			body := string(must.ReadFile(t, filepath.Join("..", "..", "..", "testdata", "registrations", tt.client+".json")))
			err := s.register("198.51.100.1", body)
			if tt.known && err != nil {
				t.Errorf("%s: %v, want it registered", tt.client, err)
			} else if !tt.known {
				world.WantCode(t, tt.client, err, dcr.TooManyRequests)
			}
		}
	})
}

func TestASourceCostsNoCall(t *testing.T) {
	eachMode(t, func(t *testing.T, s strangers) {
		s.world.Store.Reset()
		if err := s.register("2001:db8::1", fmt.Sprintf(program, 1)); err != nil {
			t.Fatal(err)
		}
		if n := s.world.Store.Calls("Count"); n != 1 {
			t.Errorf("%d counts, want 1", n)
		}
	})
}

// The bearer of an initial access token is no stranger.
func TestAVoucherHasNoLimitForItsAddress(t *testing.T) {
	w := world.New(t)
	w.UsePolicy(hundred)
	tok, _ := w.Token("open", 0)
	for i := range 100 {
		ctx := broker.WithSource(t.Context(), netip.MustParseAddr("192.0.2.1"))
		if _, err := w.Register(ctx, world.Request(t, fmt.Sprintf(program, i)), tok); err != nil {
			t.Fatalf("registration %d: %v", i, err)
		}
	}
}

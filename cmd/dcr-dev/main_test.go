package main

import (
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// parse parses a command line as main does, with free ports as defaults.
func parse(t *testing.T, args ...string) (*cli, error) {
	t.Helper()
	for _, name := range []string{"DCR_DEV_COGNITO", "DCR_DEV_BROKER", "DCR_DEV_MCP"} {
		t.Setenv(name, "localhost:0")
	}
	var c cli
	k, err := kong.New(&c, kong.Name("dcr-dev"), kong.Exit(func(int) {}), kong.Writers(io.Discard, io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	_, err = k.Parse(args)
	return &c, err
}

func TestEachModeHasItsBannerAndWalk(t *testing.T) {
	for _, tt := range []struct {
		name string
		env  string
		args []string
		mode broker.Mode
		says []string
		not  string
	}{
		{"by itself", "", []string{"run"}, broker.ModeBrokered, []string{"config/broker.json", "AUTHORIZATION=brokered", "you are asked", "--authorization=direct", "/introspect -u sample:"}, "AUTHORIZATION=direct"},
		{"by the flag", "", []string{"run", "--authorization=direct"}, broker.ModeDirect, []string{"AUTHORIZATION=direct", "there is no consent page", "--authorization=brokered"}, "/introspect"},
		{"by the environment", "direct", nil, broker.ModeDirect, []string{"AUTHORIZATION=direct"}, "/introspect"},
		{"the flag takes precedence", "direct", []string{"run", "--authorization=brokered"}, broker.ModeBrokered, []string{"AUTHORIZATION=brokered"}, "AUTHORIZATION=direct"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.env != "" {
				t.Setenv("AUTHORIZATION", tt.env)
			}
			c, err := parse(t, tt.args...)
			if err != nil {
				t.Fatal(err)
			}
			s, err := c.Run.start(t.Context(), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if s.Authorization != tt.mode {
				t.Errorf("mode = %s, want %s", s.Authorization, tt.mode)
			}
			text := banner(s, c.Run.Config)
			for _, want := range append(tt.says, s.MCP, s.Issuer+"/register", s.Cognito, s.Username+" / "+s.Password, s.InitialAccessToken) {
				if !strings.Contains(text, want) {
					t.Errorf("the banner lacks %q:\n%s", want, text)
				}
			}
			if strings.Contains(text, tt.not) || strings.Contains(text, "{issuer}") || strings.Contains(text, "{introspection}") {
				t.Errorf("the banner has %q, or a placeholder is left:\n%s", tt.not, text)
			}
			var report strings.Builder
			if err := walkThrough(t.Context(), &report, s); err != nil {
				t.Errorf("the walk: %v\n%s", err, report.String())
			}
		})
	}
}

func TestUnknownModeIsRejected(t *testing.T) {
	if _, err := parse(t, "run", "--authorization=both"); err == nil || !strings.Contains(err.Error(), "--authorization") {
		t.Errorf("parse = %v, want an error that names the flag", err)
	}
	t.Setenv("AUTHORIZATION", "both")
	if _, err := parse(t, "demo"); err == nil || !strings.Contains(err.Error(), "--authorization") {
		t.Errorf("parse = %v, want an error that names the flag", err)
	}
}

func TestPortInUseNamesTheFlag(t *testing.T) {
	c, err := parse(t, "run")
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Run.start(t.Context(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c.Run.Broker = strings.TrimPrefix(s.Issuer, "http://")
	_, err = c.Run.start(t.Context(), slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(explain(err), "--broker") || !strings.Contains(explain(err), "in use") {
		t.Errorf("start on a port in use = %v, want an error that names --broker", err)
	}
}

// The operator reads every fault, at the start and after a change.
func TestFaultsAreReadable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "broker.json")
	must.WriteFile(t, file, []byte(`{"version":1,"scopes":[{"name":"mcp/read"}],"open_registration":"opne","profiles":{"open":{"consent":"never"}}}`))
	c, err := parse(t, "run", "--config", file)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Run.start(t.Context(), slog.New(slog.DiscardHandler))
	if err == nil {
		t.Fatal("a configuration with faults starts")
	}
	start := explain(err)
	for _, want := range []string{"the configuration " + file + " has faults:\n", "\n  open_registration: ", "\n  profiles.open.consent: "} {
		if !strings.Contains(start, want) {
			t.Errorf("the error lacks %q: %s", want, start)
		}
		if after := changed(file, err); !strings.Contains(after, want) || !strings.Contains(after, "stays in force") {
			t.Errorf("the report of a change lacks %q: %s", want, after)
		}
	}
	if got := changed(file, nil); !strings.Contains(got, file+" has changed and is in force") {
		t.Errorf("the report of a good change is %q", got)
	}
	c.Run.Config = filepath.Join(filepath.Dir(file), "none.json")
	if _, err := c.Run.start(t.Context(), slog.New(slog.DiscardHandler)); err == nil || explain(err) != "cannot read the configuration "+c.Run.Config+": no such file or directory" {
		t.Errorf("start without the file = %v", err)
	}
}

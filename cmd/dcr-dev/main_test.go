package main

import (
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
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
		{"by itself", "", []string{"run"}, broker.ModeBrokered, []string{"AUTHORIZATION=brokered", "you are asked", "--authorization=direct", "/introspect -u sample:"}, "AUTHORIZATION=direct"},
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
			text := banner(s)
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

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/tool/doctor"
	"github.com/dcr-broker/dcr-broker/internal/tool/terminal"
)

// doctorCmd works with any server, and needs neither AWS nor the broker's
// environment. It runs without an operator.
type doctorCmd struct {
	URL                string        `arg:"" help:"An MCP server or an issuer, such as https://mcp.example.com/mcp."`
	SignIn             bool          `help:"Sign in with a browser, get a token, and list the tools with it."`
	NoBrowser          bool          `help:"Print the address to sign in at instead of opening a browser."`
	RedirectPort       int           `help:"Port of the redirect URI at 127.0.0.1; 0 means any free port. A fixed port can be forwarded from another machine."`
	Wait               time.Duration `default:"5m" help:"How long to wait for the sign-in."`
	Register           string        `enum:"auto,all,one,none" default:"auto" help:"Register as the doctor and as each well-known client (all), as the doctor only (one), or not at all (none). auto means all if that leaves no registrations behind."`
	InitialAccessToken string        `placeholder:"TOKEN" help:"Initial access token to register with. MCP_OAUTH_INITIAL_ACCESS_TOKEN in the environment takes precedence over it, and it over initial_access_tokens in the configuration file. Other users of this machine can see the command line."`
	Output             string        `kong:"-"` // run sets it from the flag of all commands
}

// run returns the exit code: 0 if no check failed, 1 if one did or it was
// interrupted, 2 if there was nothing to check.
func (c *doctorCmd) run(ctx context.Context, out, errs io.Writer, getenv func(string) string) int {
	o, err := c.options(errs, getenv)
	if err != nil {
		fmt.Fprintln(errs, "dcrctl:", err)
		return 2
	}
	table := doctor.NewTable(out, terminal.Coloured(out))
	if c.Output == "table" {
		o.Each = table.Check
	}
	checks, err := doctor.Run(ctx, o)
	if e, ok := errors.AsType[*doctor.UsageError](err); ok {
		fmt.Fprintln(errs, "dcrctl:", e)
		return 2
	}
	if c.Output == "json" {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		if e := enc.Encode(checks); e != nil {
			err = errors.Join(err, e)
		}
	} else {
		table.End()
	}
	if err != nil {
		fmt.Fprintln(errs, "dcrctl:", err)
		return 1
	}
	if doctor.Failed(checks) {
		return 1
	}
	return 0
}

func (c *doctorCmd) options(errs io.Writer, getenv func(string) string) (doctor.Options, error) {
	o := doctor.Options{URL: c.URL, Register: doctor.Registering(c.Register), Patience: c.Wait, RedirectPort: c.RedirectPort}
	var err error
	o.InitialAccessToken, o.InitialAccessTokens, err = initialAccessTokens(getenv("MCP_OAUTH_INITIAL_ACCESS_TOKEN"), c.InitialAccessToken)
	if c.SignIn {
		o.Open = func(ctx context.Context, address string) error {
			fmt.Fprintf(errs, "Sign in at\n\n  %s\n\n", address)
			if c.NoBrowser {
				return nil
			}
			if err := openBrowser(ctx, address); err != nil {
				fmt.Fprintln(errs, "cannot open a browser:", err)
			}
			return nil
		}
	}
	return o, err
}

// initialAccessTokens returns the token of the environment or the flag, which is
// sent to any issuer, or the tokens of the configuration file by issuer. Each of
// those is sent to its issuer only.
func initialAccessTokens(env, flag string) (string, map[string]string, error) {
	for _, token := range []string{env, flag} {
		if token = strings.TrimSpace(token); token != "" {
			return token, nil, nil
		}
	}
	file, err := readConfigFile()
	return "", file.InitialAccessTokens, err
}

// configFile is dcrctl/config.json in the user's configuration directory. It
// may be missing.
type configFile struct {
	// InitialAccessTokens are the doctor's initial access tokens by issuer.
	InitialAccessTokens map[string]string `json:"initial_access_tokens"`
}

func readConfigFile() (configFile, error) {
	var c configFile
	dir, err := os.UserConfigDir()
	if err != nil {
		return c, nil // without such a directory there is no file
	}
	name := filepath.Join(dir, "dcrctl", "config.json")
	raw, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		return c, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

// openBrowser opens an http or https address in the browser. The address does not
// pass through a shell.
func openBrowser(ctx context.Context, address string) error {
	command := []string{"xdg-open"}
	switch runtime.GOOS {
	case "darwin":
		command = []string{"open"}
	case "windows":
		command = []string{"rundll32", "url.dll,FileProtocolHandler"}
	}
	return exec.CommandContext(ctx, command[0], append(command[1:], address)...).Start()
}

// Dcr-dev is a tool: it runs the broker on one machine without an AWS account,
// with a local Cognito, the broker and a sample MCP server in one process.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/tool/devstack"
	"github.com/dcr-broker/dcr-broker/internal/tool/walk"
)

type cli struct {
	Version kong.VersionFlag `help:"Print the version and quit."`

	Run  runCmd  `cmd:"" default:"withargs" help:"Run a local Cognito, the broker and a sample MCP server until Ctrl-C."`
	Demo demoCmd `cmd:"" help:"Run the same, and connect to it as an MCP client, step by step."`

	Surroundings surroundingsCmd `cmd:"" hidden:"" help:"Run everything except the broker, for a broker that runs in containers on this machine, and write its settings. make sam-local uses this."`
}

// stack has the addresses of the three servers, and the broker's mode.
type stack struct {
	Cognito string `default:"localhost:9229" env:"DCR_DEV_COGNITO" help:"Address of the local Cognito."`
	Broker  string `default:"localhost:8080" env:"DCR_DEV_BROKER" help:"Address of the broker."`
	MCP     string `name:"mcp" default:"localhost:8090" env:"DCR_DEV_MCP" help:"Address of the sample MCP server."`

	Authorization string `default:"brokered" enum:"brokered,direct" env:"AUTHORIZATION" help:"Which server authorizes: the broker itself, with a consent page (brokered), or Cognito, with an app client for each registration (direct)."`

	Config string `placeholder:"FILE" help:"Configuration of the broker. The file is watched: a change is in force within a second. While the file has faults, they are printed and the last good configuration stays. If it lists no protected_resources, the sample MCP server is one. Default: config/broker.json, with the sample MCP server."`
}

type runCmd struct {
	stack
	Verbose bool `short:"v" help:"Log every request and the audit trail, and not only warnings and errors."`
}

// level returns the lowest level of what the terminal shows.
func (r *runCmd) level() slog.Level {
	if r.Verbose {
		return slog.LevelInfo
	}
	return slog.LevelWarn
}

type demoCmd struct {
	stack
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var c cli
	k := kong.Parse(&c, kong.Name("dcr-dev"), kong.Description("The broker on one machine, without an AWS account. All data is in memory."), kong.UsageOnError(),
		kong.Vars{"version": "dcr-dev " + environment.Version()})
	k.BindTo(ctx, (*context.Context)(nil))
	if err := k.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "dcr-dev:", explain(err))
		os.Exit(1)
	}
}

// explain returns the error text, with the flag to change if a port is in use.
// Faults of the configuration are on lines of their own.
func explain(err error) string {
	if a, ok := errors.AsType[*devstack.AddressError](err); ok {
		reason := a.Err
		if errors.Is(reason, syscall.EADDRINUSE) {
			reason = errors.New("the port is in use")
		}
		return fmt.Sprintf("cannot listen on %s: %v; choose another with --%s", a.Address, reason, a.Server)
	}
	return indented(err)
}

func (s *stack) start(ctx context.Context, log *slog.Logger) (*devstack.Stack, error) {
	return devstack.Start(ctx, devstack.Options{
		Cognito: s.Cognito, Broker: s.Broker, MCP: s.MCP, Log: log, Configuration: s.Config,
		Changed: func(err error) { fmt.Print(changed(s.Config, err)) },
		Getenv: func(name string) string {
			if name == "AUTHORIZATION" {
				return s.Authorization
			}
			return os.Getenv(name)
		},
	})
}

// changed returns what the operator reads after a change of the configuration
// file.
func changed(file string, err error) string {
	if err == nil {
		return fmt.Sprintf("\n%s has changed and is in force.\n", file)
	}
	return fmt.Sprintf("\n%s\nThe last good configuration stays in force.\n", indented(err))
}

// indented returns the text of err with all lines but the first indented.
func indented(err error) string { return strings.ReplaceAll(err.Error(), "\n", "\n  ") }

// Run serves until ctx ends.
func (r *runCmd) Run(ctx context.Context) error {
	s, err := r.start(ctx, newLog(os.Stderr, r.level()))
	if err != nil {
		return err
	}
	fmt.Print(banner(s, r.Config))
	<-ctx.Done()
	fmt.Println("\nstopping")
	return s.Close()
}

// Run returns an error if a step of the walk fails.
func (d *demoCmd) Run(ctx context.Context) error {
	s, err := d.start(ctx, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	return errors.Join(walkThrough(ctx, os.Stdout, s), s.Close())
}

func walkThrough(ctx context.Context, w io.Writer, s *devstack.Stack) error {
	_, err := walk.Run(ctx, w, walk.Options{MCP: s.MCP, Username: s.Username, Password: s.Password})
	return err
}

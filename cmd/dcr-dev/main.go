// Dcr-dev runs the broker on one machine without an AWS account: a local
// Cognito, the broker and a sample MCP server in one process.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/dcr-broker/dcr-broker/e2e/walk"
	"github.com/dcr-broker/dcr-broker/internal/devstack"
	"github.com/dcr-broker/dcr-broker/internal/version"
)

type cli struct {
	Version kong.VersionFlag `help:"Print the version and quit."`

	Run  runCmd  `cmd:"" default:"withargs" help:"Run a local Cognito, the broker and a sample MCP server until Ctrl-C."`
	Demo demoCmd `cmd:"" help:"Run the same and walk through it as an MCP client."`

	Surroundings surroundingsCmd `cmd:"" hidden:"" help:"Run the local Cognito and the MCP server for a broker that runs elsewhere on this machine, and write the environment that it needs. make sam-local uses this."`
}

// stack has the flags of both commands: where the three servers listen, and how
// the broker authorizes clients.
type stack struct {
	Cognito string `default:"localhost:9229" env:"DCR_DEV_COGNITO" help:"Address of the local Cognito."`
	Broker  string `default:"localhost:8080" env:"DCR_DEV_BROKER" help:"Address of the broker."`
	MCP     string `name:"mcp" default:"localhost:8090" env:"DCR_DEV_MCP" help:"Address of the sample MCP server."`

	Authorization string `default:"brokered" enum:"brokered,direct" env:"AUTHORIZATION" help:"Who authorizes clients: the broker, with a consent page (brokered), or Cognito, with an app client for each registration (direct)."`
}

type runCmd struct {
	stack
	Verbose bool `short:"v" help:"Log every request."`
}

type demoCmd struct {
	stack
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var c cli
	k := kong.Parse(&c, kong.Name("dcr-dev"), kong.Description("The broker on one machine, without an AWS account. Everything is kept in memory."), kong.UsageOnError(),
		kong.Vars{"version": "dcr-dev " + version.String()})
	k.BindTo(ctx, (*context.Context)(nil))
	if err := k.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "dcr-dev:", explain(err))
		os.Exit(1)
	}
}

// explain returns the text of err. For an address that cannot be used, it names
// the flag that chooses another.
func explain(err error) string {
	if a, ok := errors.AsType[*devstack.AddressError](err); ok {
		reason := a.Err
		if errors.Is(reason, syscall.EADDRINUSE) {
			reason = errors.New("the port is taken")
		}
		return fmt.Sprintf("cannot listen on %s: %v; choose another with --%s", a.Address, reason, a.Server)
	}
	return err.Error()
}

func (s *stack) start(ctx context.Context, log *slog.Logger) (*devstack.Stack, error) {
	return devstack.Start(ctx, devstack.Options{
		Cognito: s.Cognito, Broker: s.Broker, MCP: s.MCP, Log: log,
		Getenv: func(name string) string {
			if name == "AUTHORIZATION" {
				return s.Authorization
			}
			return os.Getenv(name)
		},
	})
}

// Run serves until ctx ends.
func (r *runCmd) Run(ctx context.Context) error {
	level := slog.LevelWarn
	if r.Verbose {
		level = slog.LevelInfo
	}
	s, err := r.start(ctx, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})))
	if err != nil {
		return err
	}
	fmt.Print(banner(s))
	<-ctx.Done()
	fmt.Println("\nstopping")
	return s.Close()
}

// Run starts the stack, walks through it and returns an error if a step fails.
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

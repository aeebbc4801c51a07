// Dcrctl is the operator's command line. It has no service to talk to: it works
// on the broker's table with the operator's own AWS credentials, so that IAM
// decides who may use it.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"os/user"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"

	settings "github.com/dcr-broker/dcr-broker/internal/config"
	"github.com/dcr-broker/dcr-broker/internal/version"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/internal/wire/documents"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
)

type cli struct {
	Version kong.VersionFlag `help:"Print the version and quit."`

	IAT     iatCmd     `cmd:"" name:"iat" help:"Initial access tokens: who may register under which profile (RFC 7591)."`
	Profile profileCmd `cmd:"" help:"Policy profiles and the app clients that they share."`
	Doctor  doctorCmd  `cmd:"" help:"Play an MCP client against any MCP server or issuer, and say what would break."`
}

const description = `Manage a dcr-broker deployment.

It reads AWS_REGION, TABLE_NAME and, for a DynamoDB elsewhere, DYNAMODB_ENDPOINT
from the environment, and AWS credentials from where the AWS SDK finds them. With
SCOPES and POLICY set as the broker has them, profiles are checked against
the policy.`

// operator is what every command works with.
type operator struct {
	store broker.Store
	// policy returns the policy in force, or nil if SCOPES does not say what it
	// may name.
	policy func(context.Context) (*policy.Policy, error)
	// getenv and sdk are for commands that need more than the store.
	getenv func(string) string
	sdk    aws.Config
	out    io.Writer
	notes  io.Writer
	now    func() time.Time
	name   string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr, os.Getenv))
}

// run returns the exit code: 0, 1 for what could not be done, 2 for a command
// line or environment that makes no sense.
func run(ctx context.Context, args []string, out, errs io.Writer, getenv func(string) string) int {
	code, exited := 0, false
	var c cli
	k, err := kong.New(&c, kong.Name("dcrctl"), kong.Description(description), kong.Writers(out, errs),
		kong.Vars{"version": "dcrctl " + version.String()},
		kong.Exit(func(n int) { code, exited = n, true }))
	if err != nil {
		fmt.Fprintln(errs, "dcrctl:", err)
		return 2
	}
	parsed, err := k.Parse(args)
	if exited {
		return code
	}
	if err != nil {
		fmt.Fprintln(errs, "dcrctl:", err)
		fmt.Fprintln(errs, "dcrctl --help says what there is")
		return 2
	}
	if parsed.Command() == "doctor <url>" {
		return c.Doctor.run(ctx, out, errs, getenv)
	}
	op, err := newOperator(ctx, out, errs, getenv)
	if err != nil {
		fmt.Fprintf(errs, "dcrctl: the environment is not complete or not right:\n%v\n", err)
		return 2
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	if err := parsed.Run(op); err != nil {
		fmt.Fprintln(errs, "dcrctl:", err)
		return 1
	}
	return 0
}

func newOperator(ctx context.Context, out, notes io.Writer, getenv func(string) string) (*operator, error) {
	c, err := settings.Operator(getenv)
	if err != nil {
		return nil, err
	}
	sdk, err := config.LoadDefaultConfig(ctx, config.WithRegion(c.Region))
	if err != nil {
		return nil, err
	}
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	op := &operator{store: wire.Store(c, sdk), getenv: getenv, sdk: sdk, out: out, notes: notes, now: time.Now, name: name}
	op.policy = func(context.Context) (*policy.Policy, error) { return nil, nil }
	if len(c.Scopes) > 0 {
		op.policy, err = documents.Policy(c, sdk, slog.New(slog.DiscardHandler))
	}
	return op, err
}

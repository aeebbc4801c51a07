// Dcrctl is the operator's command line. It does not call the broker: it works
// on the broker's table and user pool with the operator's own AWS credentials,
// so IAM decides who may use it.
//
// The package is longer than 1,500 lines because each command has its own file.
// operator.go, output.go, confirm.go and audit.go have the code that the
// commands share.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/clock"
	kongcompletion "github.com/jotaen/kong-completion"
)

type cli struct {
	Version kong.VersionFlag `help:"Print the version and quit."`

	Output   string `enum:"table,json" default:"table" help:"Output format: table, or json, an array of objects."`
	Stack    string `placeholder:"NAME" help:"Read the broker's environment from the outputs of this CloudFormation stack. Default: DCRCTL_STACK in the environment. Variables that are set in the environment, or in the file, take precedence."`
	EnvFile  string `placeholder:"FILE" help:"Read the broker's environment from this file: NAME=VALUE lines, or a JSON object. Variables that are set in the environment take precedence."`
	AuditLog string `placeholder:"FILE" help:"Append the audit line of each change to this file. Default: standard error."`

	IAT        iatCmd                    `cmd:"" name:"iat" help:"Manage initial access tokens (RFC 7591), which let clients register under a profile."`
	Client     clientCmd                 `cmd:"" help:"Manage registered clients."`
	Grant      grantCmd                  `cmd:"" help:"Manage grants: what users have allowed clients to do, in brokered mode."`
	Profile    profileCmd                `cmd:"" help:"Manage the app clients of profiles."`
	Sweep      sweepCmd                  `cmd:"" help:"Run the cleanup that the janitor runs every hour. Shows how much there is to do, and asks for confirmation."`
	Stats      statsCmd                  `cmd:"" help:"Count registrations and app clients. Reads the whole table."`
	Config     configCmd                 `cmd:"" help:"Manage the configuration: check, store, compare and roll back documents."`
	Resource   resourceCmd               `cmd:"" help:"Manage the protected resources (MCP servers) of the configuration."`
	Purge      purgeCmd                  `cmd:"" help:"Remove what is left of a deployment after its stack was deleted."`
	Doctor     doctorCmd                 `cmd:"" help:"Act as an MCP client towards any MCP server or issuer, and report what would break."`
	Completion kongcompletion.Completion `cmd:"" help:"Print how to enable tab completion for bash, zsh or fish."`
}

const description = `Manage a dcr-broker deployment.

dcrctl works on the broker's table and user pool with the AWS credentials that the
AWS SDK finds. It reads the deployment's settings from the environment variables
that the functions have. Commands that need only the table need AWS_REGION and
TABLE_NAME; commands that change clients or the user pool need all variables of the
janitor. --stack reads the variables from a CloudFormation stack, --env-file from a
file. config lint needs none of them.

Exit codes: 0 done; 1 the command failed, wholly or in part, or a check failed, or
documents differ; 2 the command line or the environment is not valid; 3 what was named
does not exist; 4 not confirmed.`

// The exit codes, which scripts rely on.
const (
	done         = 0
	failed       = 1
	wrongUsage   = 2
	notFound     = 3
	notConfirmed = 4
)

func main() {
	// The first Ctrl-C stops the command at a point from which a later run can
	// continue. The second one ends the process.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr, os.Getenv)
	stop()
	os.Exit(code)
}

// run returns the exit code.
func run(ctx context.Context, args []string, out, errs io.Writer, getenv func(string) string) int {
	code, exited := done, false
	var c cli
	k, err := kong.New(&c, kong.Name("dcrctl"), kong.Description(description), kong.Writers(out, errs),
		kong.Vars{"version": "dcrctl " + environment.Version()},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Exit(func(n int) { code, exited = n, true }))
	if err != nil {
		fmt.Fprintln(errs, "dcrctl:", err)
		return wrongUsage
	}
	kongcompletion.Register(k)
	if exited {
		return code
	}
	parsed, err := k.Parse(args)
	if exited {
		return code
	}
	if err != nil {
		fmt.Fprintln(errs, "dcrctl:", lines(err.Error()))
		fmt.Fprintln(errs, "Run dcrctl --help for the commands and flags.")
		return wrongUsage
	}
	if parsed.Command() == "doctor <url>" {
		c.Doctor.Output = c.Output
		return c.Doctor.run(ctx, out, errs, getenv)
	}
	op := &operator{in: os.Stdin, out: out, errs: errs, getenv: getenv, now: clock.Now, json: c.Output == "json", auditLog: c.AuditLog}
	if c.EnvFile != "" {
		if op.getenv, err = withEnvFile(c.EnvFile, getenv); err != nil {
			fmt.Fprintln(errs, "dcrctl:", lines(err.Error()))
			return wrongUsage
		}
	}
	if c.Stack == "" && !c.offline(parsed.Command()) {
		c.Stack = op.getenv("DCRCTL_STACK")
	}
	if c.Stack != "" {
		if op.getenv, err = op.withStack(ctx, c.Stack); err != nil {
			return op.exitCode(ctx, err)
		}
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	err = parsed.Run(op)
	if exited {
		return code
	}
	return op.exitCode(ctx, errors.Join(err, op.close()))
}

// offline reports whether the command can do without a deployment, so that it
// does not read DCRCTL_STACK.
func (c *cli) offline(command string) bool {
	switch command {
	case "config lint <file>", "config profiles <file>", "completion", "completion <shell>":
		return true
	}
	return c.Config.Test.File != ""
}

// exitCode writes err to standard error, with what the operator can do about it,
// and returns the exit code for it.
func (op *operator) exitCode(ctx context.Context, err error) int {
	if err == nil {
		return done
	}
	if errors.Is(err, errFailed) {
		return failed // the command has already written the result
	}
	text := strings.TrimRight(lines(err.Error()), "\n")
	if e, ok := errors.AsType[*environmentError](err); ok {
		fmt.Fprintf(op.errs, "dcrctl: %s\n", lines(e.Error()))
		return wrongUsage
	}
	if _, ok := errors.AsType[*types.ResourceNotFoundException](err); ok {
		fmt.Fprintf(op.errs, "dcrctl: %s\nThere is no table %q in %s, or it lacks an index. Check TABLE_NAME and AWS_REGION; dcrctl config check shows what is wrong.\n",
			text, plain(op.getenv("TABLE_NAME")), plain(op.getenv("AWS_REGION")))
		return wrongUsage
	}
	fmt.Fprintln(op.errs, "dcrctl:", text)
	left := errors.Is(err, broker.ErrLeftToSweep)
	switch _, usage := errors.AsType[*usageError](err); {
	case usage:
		return wrongUsage
	case errors.Is(err, errNotConfirmed):
		return notConfirmed
	case ctx.Err() != nil:
		fmt.Fprintln(op.errs, "Interrupted. Nothing is lost: run the command again to continue.")
		return failed
	case left:
		fmt.Fprintln(op.errs, "Where the rest is left to the next sweep, the change is in effect already. The janitor runs the next sweep within the hour; dcrctl sweep runs one now.")
	}
	if several, ok := errors.AsType[*severalError](err); ok && !several.allMissing() || left || !errors.Is(err, broker.ErrNotFound) {
		return failed
	}
	return notFound
}

var (
	// errFailed means that the command has failed and has already written the
	// reason.
	errFailed = errors.New("failed")
	// errNotConfirmed means that the operator did not confirm the change.
	errNotConfirmed = errors.New("not confirmed, and nothing was changed")
)

// severalError has the errors of a command with several ids.
type severalError struct {
	named int     // how many ids were given
	errs  []error // one for each id that failed
}

// several returns a severalError with those of errs that are not nil, or nil if
// there are none. named is how many ids the command was given.
func several(named int, errs []error) error {
	if errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil }); len(errs) == 0 {
		return nil
	}
	return &severalError{named, errs}
}

func (e *severalError) Error() string   { return errors.Join(e.errs...).Error() }
func (e *severalError) Unwrap() []error { return e.errs }

// allMissing reports whether none of the ids exists.
func (e *severalError) allMissing() bool {
	return len(e.errs) == e.named && !slices.ContainsFunc(e.errs, func(err error) bool { return !errors.Is(err, broker.ErrNotFound) })
}

// missingError means that something that the command line names does not exist.
type missingError struct{ error }

// missing returns err as an error that is broker.ErrNotFound and has the text of
// err.
func missing(err error) error { return &missingError{err} }

func (e *missingError) Unwrap() []error { return []error{e.error, broker.ErrNotFound} }

// usageError means that the command line is wrong.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// environmentError means that the environment is wrong or has no credentials.
type environmentError struct{ err error }

func (e *environmentError) Error() string {
	if c, ok := errors.AsType[*credentialsError](e.err); ok {
		return c.Error()
	}
	if s, ok := errors.AsType[*stackError](e.err); ok {
		return s.Error()
	}
	return "the environment is incomplete or wrong:\n" + e.err.Error() +
		"\nSet the variables that the broker's functions have; --stack NAME reads them from a CloudFormation stack, --env-file FILE from a file. See docs/operations.md, The first day."
}

func (e *environmentError) Unwrap() error { return e.err }

// credentialsError means that there are no AWS credentials.
type credentialsError struct{ err error }

func (e *credentialsError) Error() string {
	return "no AWS credentials were found: " + e.err.Error() + "\nSign in (aws sso login), or set AWS_PROFILE."
}

func (e *credentialsError) Unwrap() error { return e.err }

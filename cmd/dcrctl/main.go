// Dcrctl is the operator's command line. It has no service to talk to: it works
// on the broker's table and on the user pool with the operator's own AWS
// credentials, so that IAM decides who may use it.
//
// The package is longer than 1,500 lines because every command has a file of its
// own; what they share is in operator.go, output.go, ask.go and audit.go.
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
	"time"

	"github.com/alecthomas/kong"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/usecase"
	kongcompletion "github.com/jotaen/kong-completion"
)

type cli struct {
	Version kong.VersionFlag `help:"Print the version and quit."`

	Output   string `enum:"table,json" default:"table" help:"table, or json for programs: an array of objects."`
	EnvFile  string `placeholder:"FILE" help:"Read the broker's environment from this file: NAME=VALUE lines, or a JSON object. What is set in the environment itself goes before."`
	AuditLog string `placeholder:"FILE" help:"Append the audit lines of what is changed to this file. Without it they go to standard error."`

	IAT        iatCmd                    `cmd:"" name:"iat" help:"Initial access tokens: who may register under which profile (RFC 7591)."`
	Client     clientCmd                 `cmd:"" help:"Registered clients."`
	Grant      grantCmd                  `cmd:"" help:"What users have allowed clients, in brokered mode."`
	Profile    profileCmd                `cmd:"" help:"Policy profiles and the app clients that they share."`
	Policy     policyCmd                 `cmd:"" help:"Check and try policy documents. Needs no AWS account unless the document is there."`
	Sweep      sweepCmd                  `cmd:"" help:"Do now what the janitor does every hour, or say what it would do. Says first how much that is, and asks."`
	Stats      statsCmd                  `cmd:"" help:"Count registrations and app clients."`
	Config     configCmd                 `cmd:"" help:"The deployment's configuration."`
	Purge      purgeCmd                  `cmd:"" help:"Remove what a deployment leaves behind after its stack is gone."`
	Doctor     doctorCmd                 `cmd:"" help:"Play an MCP client against any MCP server or issuer, and say what would break."`
	Completion kongcompletion.Completion `cmd:"" help:"Tab completion for bash, zsh and fish: print how to switch it on."`
}

const description = `Manage a dcr-broker deployment.

It works on the table and the user pool with the AWS credentials that the AWS SDK
finds. Where they are, and how the broker is set up, is in the environment, in the
variables that the functions have: AWS_REGION and TABLE_NAME for what is in the
table, all that the janitor has for what changes clients or the user pool. --env-file
reads them from a file.

Exit codes: 0 done; 1 it could not be done, or not wholly, or a check failed; 2 the
command line or the environment makes no sense; 3 what was named does not exist; 4
nobody said yes.`

// The exit codes, which scripts rely on.
const (
	done         = 0
	failed       = 1
	wrongUsage   = 2
	notFound     = 3
	notConfirmed = 4
)

func main() {
	// The first Ctrl-C ends what goes on where it can be gone on from; a second
	// one ends the process.
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
		fmt.Fprintln(errs, "dcrctl --help says what there is")
		return wrongUsage
	}
	if parsed.Command() == "doctor <url>" {
		c.Doctor.Output = c.Output
		return c.Doctor.run(ctx, out, errs, getenv)
	}
	op := &operator{in: os.Stdin, out: out, errs: errs, getenv: getenv, now: time.Now, json: c.Output == "json", auditLog: c.AuditLog}
	if c.EnvFile != "" {
		if op.getenv, err = withEnvFile(c.EnvFile, getenv); err != nil {
			fmt.Fprintln(errs, "dcrctl:", lines(err.Error()))
			return wrongUsage
		}
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	err = parsed.Run(op)
	if exited {
		return code
	}
	return op.end(ctx, errors.Join(err, op.close()))
}

// end says what went wrong, and returns the exit code for it.
func (op *operator) end(ctx context.Context, err error) int {
	if err == nil {
		return done
	}
	if errors.Is(err, errFailed) {
		return failed // it has been said
	}
	text := strings.TrimRight(lines(err.Error()), "\n")
	if e, ok := errors.AsType[*environmentError](err); ok {
		fmt.Fprintf(op.errs, "dcrctl: %s\n", lines(e.Error()))
		return wrongUsage
	}
	if _, ok := errors.AsType[*types.ResourceNotFoundException](err); ok {
		fmt.Fprintf(op.errs, "dcrctl: %s\nThere is no table %q in %s, or it lacks an index: TABLE_NAME and AWS_REGION say where it is, and dcrctl config check what is wrong.\n",
			text, plain(op.getenv("TABLE_NAME")), plain(op.getenv("AWS_REGION")))
		return wrongUsage
	}
	fmt.Fprintln(op.errs, "dcrctl:", text)
	left := errors.Is(err, usecase.ErrLeftToSweep)
	switch _, usage := errors.AsType[*usageError](err); {
	case usage:
		return wrongUsage
	case errors.Is(err, errNotConfirmed):
		return notConfirmed
	case ctx.Err() != nil:
		fmt.Fprintln(op.errs, "Interrupted. Nothing is lost: run it again to go on.")
		return failed
	case left:
		fmt.Fprintln(op.errs, "What was asked for holds from now on, where the rest is left to the next sweep. The janitor does that, or dcrctl sweep.")
	}
	if several, ok := errors.AsType[*severalError](err); ok && !several.allMissing() || left || !errors.Is(err, broker.ErrNotFound) {
		return failed
	}
	return notFound
}

var (
	// errFailed is for what has been said already.
	errFailed = errors.New("failed")
	// errNotConfirmed means that nobody said yes.
	errNotConfirmed = errors.New("nobody said yes, and nothing was changed")
)

// severalError is what went wrong where several things were named.
type severalError struct {
	named int
	errs  []error // one of each that failed
}

// several returns an error if one of errs, one of each thing named, is not nil.
func several(named int, errs []error) error {
	if errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil }); len(errs) == 0 {
		return nil
	}
	return &severalError{named, errs}
}

func (e *severalError) Error() string   { return errors.Join(e.errs...).Error() }
func (e *severalError) Unwrap() []error { return e.errs }

// allMissing reports whether nothing of what was named exists.
func (e *severalError) allMissing() bool {
	return len(e.errs) == e.named && !slices.ContainsFunc(e.errs, func(err error) bool { return !errors.Is(err, broker.ErrNotFound) })
}

// usageError is what is wrong with a command line.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// environmentError is what is wrong with the environment.
type environmentError struct{ err error }

func (e *environmentError) Error() string {
	if c, ok := errors.AsType[*credentialsError](e.err); ok {
		return c.Error()
	}
	return "the environment is not complete or not right:\n" + e.err.Error() +
		"\nIt is that of the broker's functions; --env-file FILE reads it from a file. See docs/operations.md, The first day."
}

func (e *environmentError) Unwrap() error { return e.err }

// credentialsError means that there are no AWS credentials.
type credentialsError struct{ err error }

func (e *credentialsError) Error() string {
	return "no AWS credentials were found: " + e.err.Error() + "\nSign in (aws sso login), or set AWS_PROFILE."
}

func (e *credentialsError) Unwrap() error { return e.err }

// Package units is the command `go run ./bench units`: it measures what each flow
// costs in DynamoDB, and writes the table into docs/storage.md.
//
// It builds the functions and dcrctl of a checkout, runs them as processes with a
// table as that checkout's template.yaml deploys it, and counts calls and units
// with package meter. So it can measure any commit beside the present one: it
// compiles against neither, and knows neither items nor indexes. Both builds have
// the present local Cognito.
//
// The programs run with a clock that begins at a fixed time and can be set
// forward (clock.go), so that numbers do not depend on the hour, and lifetimes
// end within a run.
//
// It leaves out DynamoDB's charges for storage, backups and TTL, and what costs no
// units, such as DescribeTable, but for counting the call.
package units

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/dcr-broker/dcr-broker/test/meter"
)

// Options are those of the command.
type Options struct {
	// Before is the directory of a checkout of an older commit; "" for none.
	Before string
	// Out is the file to write the table into; "-" only prints it.
	Out string
	// Calls is whether to write each call to standard error.
	Calls bool
}

// Document is the file that the command writes by default.
const Document = "docs/storage.md"

// Main runs the command with its arguments.
func Main(ctx context.Context, args []string) error {
	var o Options
	f := flag.NewFlagSet("bench units", flag.ContinueOnError)
	f.StringVar(&o.Before, "before", "", "`directory` of a checkout of an older commit, to measure it too and compare")
	f.StringVar(&o.Out, "o", Document, "`file` to write the table into; - only prints it")
	f.BoolVar(&o.Calls, "calls", false, "write each call to standard error")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("unknown argument %q", f.Arg(0))
	}
	return Run(ctx, o)
}

// endpointVariable has the origin of a local DynamoDB.
const endpointVariable = "DYNAMODB_ENDPOINT"

// Run measures the checkout in the working directory. Without a local DynamoDB in
// the environment it starts one, and itself again beside it.
func Run(ctx context.Context, o Options) error {
	endpoint := os.Getenv(endpointVariable)
	if endpoint == "" {
		return besideMoto(ctx, o)
	}
	dir, err := os.MkdirTemp("", "units")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r := &report{}
	if o.Before != "" {
		if r.commit, err = commitOf(ctx, o.Before); err != nil {
			return err
		}
		if r.before, err = measure(ctx, o.Before, filepath.Join(dir, "before"), endpoint, callsTo(o)); err != nil {
			return fmt.Errorf("%s: %w", o.Before, err)
		}
	}
	if r.now, err = measure(ctx, ".", filepath.Join(dir, "now"), endpoint, callsTo(o)); err != nil {
		return err
	}
	table := r.markdown()
	if o.Out == "-" {
		_, err := os.Stdout.WriteString(table)
		return err
	}
	old, err := os.ReadFile(o.Out)
	if err != nil {
		return err
	}
	text, err := replaceTable(old, table)
	if err != nil {
		return fmt.Errorf("%s: %w", o.Out, err)
	}
	return os.WriteFile(o.Out, text, 0o644)
}

func callsTo(o Options) io.Writer {
	if o.Calls {
		return os.Stderr
	}
	return io.Discard
}

// besideMoto runs this command again through scripts/moto.sh, which says what it
// needs if it cannot start.
func besideMoto(ctx context.Context, o Options) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "scripts/moto.sh", "run", self, "units", "-before", o.Before, "-o", o.Out, fmt.Sprintf("-calls=%t", o.Calls))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // the script stops moto
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("scripts/moto.sh: %w", err)
	}
	return nil
}

// row is a flow and its cost.
type row struct {
	flow string
	cost meter.Cost
}

// measure builds the checkout in a directory and returns the cost of each flow.
func measure(ctx context.Context, module, out, endpoint string, calls io.Writer) ([]row, error) {
	fmt.Fprintln(os.Stderr, "units: build of", module)
	b := &build{module: module, out: out}
	if err := b.compile(ctx); err != nil {
		return nil, err
	}
	var rows []row
	for _, part := range []struct {
		name, mode, profiles string
		run                  func(*deployment)
	}{
		{"brokered", "brokered", profiles, brokered},
		{"lifetimes", "brokered", profiles, lifetimes},
		{"direct", "direct", directProfiles, direct},
	} {
		fmt.Fprintln(os.Stderr, "units: flows,", part.name)
		d, err := deploy(ctx, b, part.mode, part.profiles, endpoint)
		if err != nil {
			return nil, err
		}
		d.calls = calls
		part.run(d)
		d.close()
		if d.err != nil {
			return nil, fmt.Errorf("%s: %w", part.name, d.err)
		}
		rows = append(rows, d.rows...)
	}
	return rows, nil
}

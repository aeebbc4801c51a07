// Bench is a tool: it measures the broker and writes docs/performance.md. It
// measures requests through the whole handler, with a store in memory and a
// Cognito that answers immediately, the sizes of the Lambda functions, and
// their start-up on this machine. Then it runs the command units, which writes
// what flows cost in DynamoDB into docs/storage.md (package units).
//
// It measures only the broker itself, and leaves out network, DynamoDB, Cognito
// and Lambda. Numbers that are compared are measured alternately, in one run:
// the rows of a table, and a build of an older commit with the present one.
//
// The package is longer than 1,500 lines because all measurements write one
// page and share its report. Each kind of measurement has its own file.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/dcr-broker/dcr-broker/bench/units"
)

// functions are the directories below functions/.
var functions = []string{"authorize", "token", "register", "provision", "janitor", "metadata"}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) > 1 && os.Args[1] == "units" {
		exit(stop, units.Main(ctx, os.Args[2:]))
	}
	var o options
	flag.StringVar(&o.out, "o", "docs/performance.md", "`file` to write the tables into; - only prints them")
	flag.IntVar(&o.starts, "starts", 41, "how often each function is started")
	flag.IntVar(&o.rounds, "rounds", 9, "how often each request is benchmarked")
	flag.StringVar(&o.benchtime, "time", "100ms", "how long each benchmark runs each time, as `go test -benchtime` takes it")
	flag.DurationVar(&o.patience, "wait", 0, "how long to wait at most for a load of less than 1.5 before each measurement")
	flag.StringVar(&o.before, "before", "", "`directory` of a checkout of an older commit, to measure it too and compare")
	flag.BoolVar(&o.units, "units", true, "then run the command units, with the same -before; units -h has its flags")
	flag.Parse()
	if flag.NArg() > 0 || o.starts < 1 || o.rounds < 1 {
		flag.Usage()
		os.Exit(2)
	}
	err := run(ctx, o)
	if err == nil && o.units {
		err = runUnits(ctx, o)
	}
	exit(stop, err)
}

// runUnits measures units. It is last, so that the other tables are written if
// there is no local DynamoDB.
func runUnits(ctx context.Context, o options) error {
	out := units.Document
	if o.out == "-" {
		out = "-"
	}
	if err := units.Run(ctx, units.Options{Before: o.before, Out: out}); err != nil {
		return fmt.Errorf("%w (all but the units is measured; -units=false leaves them out)", err)
	}
	return nil
}

func exit(stop func(), err error) {
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

type options struct {
	out            string
	starts, rounds int
	benchtime      string
	patience       time.Duration
	before         string // "" for no comparison
	units          bool
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r := &report{machine: describe(), options: o}
	builds := []*build{{module: ".", out: filepath.Join(dir, "now")}}
	if o.before != "" {
		if r.commit, err = commitOf(ctx, o.before); err != nil {
			return err
		}
		builds = append(builds, &build{module: o.before, out: filepath.Join(dir, "before")})
	}
	for _, b := range builds {
		fmt.Fprintln(os.Stderr, "bench: build of", b.module)
		if err := b.compile(ctx); err != nil {
			return err
		}
	}
	waitForQuiet(ctx, o.patience)
	fmt.Fprintln(os.Stderr, "bench: requests")
	if err := measureRequests(ctx, builds, o.rounds, o.benchtime); err != nil {
		return err
	}
	waitForQuiet(ctx, o.patience)
	fmt.Fprintln(os.Stderr, "bench: start-up")
	r.loadAtStart = load()
	if r.idle, err = measureStarts(ctx, builds, o.starts); err != nil {
		return err
	}
	r.loadAtEnd = load()
	r.now = builds[0]
	if o.before != "" {
		r.before = builds[1]
	}
	tables, err := r.markdown()
	if err != nil {
		return err
	}

	if o.out == "-" {
		_, err := os.Stdout.WriteString(tables)
		return err
	}
	old, err := os.ReadFile(o.out)
	if err != nil {
		return err
	}
	text, err := replaceTables(old, tables)
	if err != nil {
		return fmt.Errorf("%s: %w", o.out, err)
	}
	return os.WriteFile(o.out, text, 0o644)
}

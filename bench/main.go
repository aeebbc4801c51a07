// Bench is a tool: it measures the broker and writes docs/performance.md. It
// measures requests through the whole handler, with a store in memory and a
// Cognito that answers immediately, the sizes of the Lambda functions, and
// their start-up on this machine.
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
)

// functions are the directories below functions/.
var functions = []string{"authorize", "token", "register", "provision", "janitor", "metadata"}

func main() {
	var o options
	flag.StringVar(&o.out, "o", "docs/performance.md", "`file` to write the tables into; - only prints them")
	flag.IntVar(&o.starts, "starts", 41, "how often each function is started")
	flag.IntVar(&o.rounds, "rounds", 9, "how often each request is benchmarked")
	flag.StringVar(&o.benchtime, "time", "100ms", "how long each benchmark runs each time, as `go test -benchtime` takes it")
	flag.DurationVar(&o.patience, "wait", 0, "how long to wait at most for a load of less than 1.5 before each measurement")
	flag.StringVar(&o.before, "before", "", "`directory` of a checkout of an older commit, to measure it too and compare")
	flag.Parse()
	if flag.NArg() > 0 || o.starts < 1 || o.rounds < 1 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

type options struct {
	out            string
	starts, rounds int
	benchtime      string
	patience       time.Duration
	before         string // "" for no comparison
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

// Bench is a tool: it measures the broker and writes docs/performance.md. It
// measures requests through the whole handler, with a store in memory and a
// Cognito that answers immediately, the sizes of the Lambda functions, and
// their start-up on this machine.
//
// It measures only the broker itself, and leaves out network, DynamoDB, Cognito
// and Lambda. Numbers that are compared are measured alternately, in one run.
package main

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// functions are the directories below functions/.
var functions = []string{"authorize", "token", "register", "provision", "janitor", "metadata"}

func main() {
	out := flag.String("o", "docs/performance.md", "`file` to write the tables into; - only prints them")
	starts := flag.Int("starts", 41, "how often each function is started")
	rounds := flag.Int("rounds", 9, "how often each request is benchmarked")
	benchtime := flag.Duration("time", 100*time.Millisecond, "how long each benchmark runs each time")
	patience := flag.Duration("wait", 0, "how long to wait at most for a load of less than 1.5 before the start-ups are measured")
	before := flag.String("before", "", "`directory` with an older build, as of scripts/build.sh, to compare start-up with")
	flag.Parse()
	if flag.NArg() > 0 || *starts < 1 || *rounds < 1 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	testing.Init()
	flag.Set("test.benchtime", benchtime.String())
	if err := run(ctx, *out, *before, *starts, *rounds, *patience); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, out, before string, starts, rounds int, patience time.Duration) error {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := build(ctx, dir); err != nil {
		return err
	}
	r := &report{starts: starts, rounds: rounds, machine: describe()}
	if r.sizes, err = measureSizes(dir); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "bench: requests")
	if r.requests, err = measureRequests(ctx, ".", rounds); err != nil {
		return err
	}
	waitForQuiet(ctx, patience)
	fmt.Fprintln(os.Stderr, "bench: start-up")
	r.loadBefore = load()
	if err := r.measureStarts(ctx, dir, before); err != nil {
		return err
	}
	r.loadAfter = load()

	if out == "-" {
		_, err := os.Stdout.WriteString(r.markdown())
		return err
	}
	old, err := os.ReadFile(out)
	if err != nil {
		return err
	}
	text, err := replaceTables(old, r.markdown())
	if err != nil {
		return fmt.Errorf("%s: %w", out, err)
	}
	return os.WriteFile(out, text, 0o644)
}

// build compiles the functions for Lambda, and for this machine to start them
// here.
func build(ctx context.Context, dir string) error {
	for _, system := range []struct{ os, archs, out string }{
		{"linux", "arm64 amd64", "lambda"},
		{runtime.GOOS, runtime.GOARCH, "here"},
	} {
		cmd := exec.CommandContext(ctx, "scripts/build.sh", filepath.Join(dir, system.out))
		cmd.Env = append(os.Environ(), "TARGET_OS="+system.os, "ARCHS="+system.archs)
		if err := quietly(cmd); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, cmp.Or(os.Getenv("GO"), "go"), "build", "-trimpath", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-o", filepath.Join(dir, "idle"), "./bench/idle")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	return quietly(cmd)
}

func quietly(cmd *exec.Cmd) error {
	if b, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", cmd.Args[0], err, bytes.TrimSpace(b))
	}
	return nil
}

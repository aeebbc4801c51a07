package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// build is a commit of the module, compiled, and its results.
type build struct {
	module string // the directory of the checkout
	out    string // the directory of the compiled files

	requests map[string]*cost  // by name of the benchmark
	sizes    map[string]size   // by function
	starts   map[string]starts // by name of the process
}

// testBinary returns the path of the compiled benchmarks.
func (b *build) testBinary() string { return filepath.Join(b.out, "bench.test") }

// bootstrap returns the path of a function for this machine.
func (b *build) bootstrap(function string) string {
	return filepath.Join(b.out, "here", runtime.GOARCH, function, "bootstrap")
}

// idle returns the path of a function that does nothing.
func (b *build) idle() string { return filepath.Join(b.out, "idle") }

// compile builds the functions for Lambda and for this machine, and the
// benchmarks, and measures the sizes of the functions.
func (b *build) compile(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(b.module, "go.mod")); err != nil {
		return fmt.Errorf("no checkout: %w", err)
	}
	for _, system := range []struct{ os, archs, out string }{
		{"linux", "arm64 amd64", "lambda"},
		{runtime.GOOS, runtime.GOARCH, "here"},
	} {
		cmd := b.command(ctx, "scripts/build.sh", filepath.Join(b.out, system.out))
		cmd.Env = append(os.Environ(), "TARGET_OS="+system.os, "ARCHS="+system.archs)
		if err := quietly(cmd); err != nil {
			return err
		}
	}
	golang := cmp.Or(os.Getenv("GO"), "go")
	if err := quietly(b.command(ctx, golang, "test", "-c", "-trimpath", "-o", b.testBinary(), "./bench")); err != nil {
		return err
	}
	cmd := b.command(ctx, golang, "build", "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-o", b.idle(), "./bench/idle")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if err := quietly(cmd); err != nil {
		return err
	}
	var err error
	b.sizes, err = measureSizes(filepath.Join(b.out, "lambda"))
	return err
}

// command returns a command that runs in the checkout.
func (b *build) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = b.module
	return cmd
}

// commitOf returns the commit of a checkout, and its date.
func commitOf(ctx context.Context, module string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", "-C", module, "log", "-1", "--format=%h of %cs")
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("commit of %s: %w", module, err)
	}
	return strings.TrimSpace(string(out)), nil
}

func quietly(cmd *exec.Cmd) error {
	if b, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", cmd.Args[0], err, bytes.TrimSpace(b))
	}
	return nil
}

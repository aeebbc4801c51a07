package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// describe returns the Go version, the machine and the date.
func describe() string {
	cpu := "unknown CPU"
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
				cpu = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%s, %s/%s, %d CPUs (%s), %s", strings.TrimPrefix(runtime.Version(), "go"), runtime.GOOS, runtime.GOARCH,
		runtime.NumCPU(), cpu, time.Now().UTC().Format(time.DateOnly))
}

// load returns the load average of the last minute; -1 if it is unknown.
func load() float64 {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return -1
	}
	one, _, _ := strings.Cut(string(b), " ")
	f, err := strconv.ParseFloat(one, 64)
	if err != nil {
		return -1
	}
	return f
}

// waitForQuiet returns when the load average is low, or after patience.
func waitForQuiet(ctx context.Context, patience time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for load() >= 1.5 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

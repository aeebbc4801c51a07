package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// cost has the times of all rounds of a benchmark, sorted, and the fewest
// allocations.
type cost struct {
	times  []time.Duration
	allocs int64
	bytes  int64
}

func (c *cost) median() time.Duration { return c.times[len(c.times)/2] }
func (c *cost) best() time.Duration   { return c.times[0] }

// add adds a round.
func (c *cost) add(took time.Duration, allocs, bytes int64) {
	if c.times == nil || allocs < c.allocs {
		c.allocs, c.bytes = allocs, bytes
	}
	c.times = append(c.times, took)
	slices.Sort(c.times)
}

// measureRequests runs the benchmarks of each build once in each round. The
// builds change places after each round, so that their order does not matter.
func measureRequests(ctx context.Context, builds []*build, rounds int, benchtime string) error {
	builds = slices.Clone(builds)
	for range rounds {
		slices.Reverse(builds)
		for _, b := range builds {
			cmd := exec.CommandContext(ctx, b.testBinary(),
				"-test.run", "^$", "-test.bench", "^BenchmarkRequests$", "-test.benchmem", "-test.benchtime", benchtime)
			cmd.Dir = filepath.Join(b.module, "bench")
			out, err := cmd.CombinedOutput()
			if err != nil {
				return fmt.Errorf("benchmarks of %s: %w: %s", b.module, err, bytes.TrimSpace(out))
			}
			if b.requests == nil {
				b.requests = make(map[string]*cost)
			}
			if err := addRound(b.requests, string(out)); err != nil {
				return fmt.Errorf("benchmarks of %s: %w", b.module, err)
			}
		}
	}
	return nil
}

// resultLine is a line of a benchmark's output: name, GOMAXPROCS unless it is
// 1, number of iterations, and the costs of one iteration.
var resultLine = regexp.MustCompile(`^Benchmark\w+/(\S+?)(?:-\d+)?\s+\d+\s+([\d.]+) ns/op\s+(\d+) B/op\s+(\d+) allocs/op$`)

// addRound adds the results in the output of go test, by the name of the
// benchmark without the name of its function.
func addRound(costs map[string]*cost, output string) error {
	for line := range strings.Lines(output) {
		m := resultLine.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		took, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			return err
		}
		bytes, err := strconv.ParseInt(m[3], 10, 64)
		if err != nil {
			return err
		}
		allocs, err := strconv.ParseInt(m[4], 10, 64)
		if err != nil {
			return err
		}
		if costs[m[1]] == nil {
			costs[m[1]] = new(cost)
		}
		costs[m[1]].add(time.Duration(took), allocs, bytes)
	}
	return nil
}

// benchmark returns the name of the request's benchmark in a way, as go test
// writes it.
func (req request) benchmark(way string) string {
	return strings.ReplaceAll(req.name, " ", "_") + "/" + way
}

package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/test/lambdaruntime"
)

// start is the start-up of a process: from before its creation to its first
// request for an event.
type start struct {
	took time.Duration
	cpu  time.Duration // of all its threads, in user and in system mode; 0 if unknown
}

// starts has the start-ups of one bootstrap.
type starts []start

// quantile returns the time that a fraction q of the starts does not exceed.
func (s starts) quantile(q float64, of func(start) time.Duration) time.Duration {
	times := make([]time.Duration, len(s))
	for i, one := range s {
		times[i] = of(one)
	}
	slices.Sort(times)
	return times[int(q*float64(len(times)-1)+0.5)]
}

func took(s start) time.Duration { return s.took }
func cpu(s start) time.Duration  { return s.cpu }

// bootstrap is an executable and its environment.
type bootstrap struct {
	path string
	env  []string
}

// environ returns the environment of a function in the mode.
func environ(mode string) []string {
	all := functionEnv
	if mode == "brokered" {
		all = brokeredEnvironment("secretsmanager:dcr-broker/keys")
	}
	var env []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		env = append(env, name+"="+all[name])
	}
	return env
}

// measureStarts starts each bootstrap runs times. They alternate, so that other
// work on the machine affects all of them equally. A first round is not
// counted: it loads the files into the cache.
func measureStarts(ctx context.Context, bootstraps []bootstrap, runs int) ([]starts, error) {
	all := make([]starts, len(bootstraps))
	for run := range runs + 1 {
		for i, b := range bootstraps {
			s, err := measureStart(ctx, b)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", b.path, err)
			}
			if run > 0 {
				all[i] = append(all[i], s)
			}
		}
	}
	return all, nil
}

func measureStart(ctx context.Context, b bootstrap) (start, error) {
	f, err := lambdaruntime.New(lambdaruntime.Config{Bootstrap: b.path, Env: b.env})
	if err != nil {
		return start{}, err
	}
	defer f.Close()
	took, err := f.Start(ctx)
	if err != nil {
		return start{}, err
	}
	return start{took: took, cpu: cpuTime(f.Pid())}, nil
}

// cpuTime returns the CPU time of a running process, from Linux's counter in
// nanoseconds. Other work on the machine does not affect it. On other systems
// it is 0.
func cpuTime(pid int) time.Duration {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		return 0
	}
	var sum time.Duration
	for _, path := range tasks {
		b, err := os.ReadFile(path)
		if err != nil {
			return 0
		}
		running, _, _ := strings.Cut(string(b), " ")
		ns, err := strconv.ParseInt(running, 10, 64)
		if err != nil {
			return 0
		}
		sum += time.Duration(ns)
	}
	return sum
}

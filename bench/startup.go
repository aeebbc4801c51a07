package main

import (
	"context"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/environment"
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

// surroundings are a table with the configuration and a user pool's document, on
// loopback. Both answer at once. The metadata function reads them at its start.
type surroundings struct{ table, pool *httptest.Server }

func newSurroundings() (*surroundings, error) {
	c, err := environment.Metadata(func(name string) string { return functionEnv[name] })
	if err != nil {
		return nil, err
	}
	table, err := configured(c)
	if err != nil {
		return nil, err
	}
	return &surroundings{httptest.NewServer(table), httptest.NewServer(discoveryDocument(c))}, nil
}

func (s *surroundings) close() {
	s.table.Close()
	s.pool.Close()
}

// environ returns the environment of a function in the mode.
func (s *surroundings) environ(mode string) []string {
	all := maps.Clone(functionEnv)
	if mode == "brokered" {
		all = brokeredEnvironment("secretsmanager:dcr-broker/keys")
	}
	all["DYNAMODB_ENDPOINT"], all["COGNITO_DISCOVERY"] = s.table.URL, s.pool.URL
	var env []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		env = append(env, name+"="+all[name])
	}
	return env
}

// process is a function in a mode.
type process struct{ name, function, mode string }

// processes are all functions, in each mode in which they start differently.
func processes() []process {
	var list []process
	for _, function := range functions {
		switch function {
		case "register", "token":
			for _, mode := range []string{"brokered", "direct"} {
				list = append(list, process{function + ", " + mode, function, mode})
			}
		default:
			list = append(list, process{function, function, "brokered"})
		}
	}
	return list
}

// measureStarts starts each process of each build runs times, and returns the
// starts of a function that does nothing. They alternate, so that other work on
// the machine affects all of them equally, and the builds change places after
// each round. A first round is not counted: it loads the files into the cache.
func measureStarts(ctx context.Context, builds []*build, runs int) (idle starts, err error) {
	around, err := newSurroundings()
	if err != nil {
		return nil, err
	}
	defer around.close()
	for _, b := range builds {
		b.starts = make(map[string]starts)
	}
	order := slices.Clone(builds)
	for run := range runs + 1 {
		slices.Reverse(order)
		for _, p := range processes() {
			for _, b := range order {
				s, err := around.measureStart(ctx, b.bootstrap(p.function), p.mode)
				if err != nil {
					return nil, err
				}
				if run > 0 {
					b.starts[p.name] = append(b.starts[p.name], s)
				}
			}
		}
		s, err := around.measureStart(ctx, builds[0].idle(), "direct")
		if err != nil {
			return nil, err
		}
		if run > 0 {
			idle = append(idle, s)
		}
	}
	return idle, nil
}

// measureStart starts a function in the environment of the mode.
func (s *surroundings) measureStart(ctx context.Context, path, mode string) (start, error) {
	f, err := lambdaruntime.New(lambdaruntime.Config{Bootstrap: path, Env: s.environ(mode)})
	if err != nil {
		return start{}, fmt.Errorf("%s: %w", path, err)
	}
	defer f.Close()
	took, err := f.Start(ctx)
	if err != nil {
		return start{}, fmt.Errorf("%s: %w", path, err)
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

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// report has all results of one run.
type report struct {
	machine               string
	starts, rounds        int
	requests              []result
	sizes                 map[string]size
	processes             []process
	loadBefore, loadAfter float64
}

// process has the start-ups of a bootstrap.
type process struct {
	name     string
	function string // whose limit applies; "" for no limit
	starts   starts
}

// modes returns the modes in which a function starts differently.
func modes(function string) []string {
	switch function {
	case "register", "token":
		return []string{"brokered", "direct"}
	}
	return []string{"brokered"}
}

// measureStarts measures the functions of dir, those of an older build if there
// is one, and for comparison a function that does nothing.
func (r *report) measureStarts(ctx context.Context, dir, before string) error {
	var bootstraps []bootstrap
	add := func(p process, b bootstrap) { r.processes, bootstraps = append(r.processes, p), append(bootstraps, b) }
	for _, function := range functions {
		for _, mode := range modes(function) {
			name := function
			if len(modes(function)) > 1 {
				name += ", " + mode
			}
			add(process{name: name, function: function}, bootstrap{filepath.Join(dir, "here", runtime.GOARCH, function, "bootstrap"), environ(mode)})
			if before != "" {
				add(process{name: name + ", before"}, bootstrap{filepath.Join(before, runtime.GOARCH, function, "bootstrap"), environ(mode)})
			}
		}
	}
	add(process{name: "(a function that does nothing)"}, bootstrap{filepath.Join(dir, "idle"), environ("direct")})
	all, err := measureStarts(ctx, bootstraps, r.starts)
	for i := range all {
		r.processes[i].starts = all[i]
	}
	return err
}

// target is a limit, the measured value, and the verdict.
type target struct{ what, limit, got, verdict string }

const (
	reached = "reached"
	missed  = "**missed**"
)

// verdict compares the median with the limit. If only the undisturbed time is
// within the limit, it says so: other work on the machine may raise the median.
func verdict(limit, median, undisturbed time.Duration, how string) string {
	switch {
	case median <= limit:
		return reached
	case undisturbed <= limit:
		return "reached " + how + " (" + millis(undisturbed) + "), not by the median"
	}
	return missed
}

func counted(n, limit int64) string {
	if n <= limit {
		return reached
	}
	return missed
}

// The limits of a function. Times are medians.
const (
	maxZipped         = 6 << 20
	maxZippedMetadata = 3 << 20
	maxStart          = 10 * time.Millisecond
	maxStartMetadata  = 5 * time.Millisecond
)

func limits(function string) (size int64, start time.Duration) {
	if function == "metadata" {
		return maxZippedMetadata, maxStartMetadata
	}
	return maxZipped, maxStart
}

func (r *report) targets() []target {
	var list []target
	for _, q := range r.requests {
		name, c := q.request.name, q.handler
		if limit := q.request.under; limit > 0 {
			list = append(list, target{name, "under " + micros(limit), micros(c.median()), quickest(limit, c)})
		}
		if limit := q.request.maxAllocs; limit > 0 {
			list = append(list, target{name, fmt.Sprintf("at most %d allocations", limit), fmt.Sprint(c.allocs), counted(c.allocs, limit)})
		}
	}
	for _, function := range functions {
		limit, _ := limits(function)
		got := r.sizes[function].zipped["arm64"]
		list = append(list, target{function + ", zipped for arm64", "at most " + megabytes(limit), megabytes(got), counted(got, limit)})
	}
	for _, p := range r.processes {
		if p.function != "" {
			_, limit := limits(p.function)
			got := p.starts.quantile(0.5, took)
			list = append(list, target{p.name + ", start-up", "at most " + millis(limit), millis(got),
				verdict(limit, got, p.starts.quantile(0.5, cpu), "by CPU time")})
		}
	}
	return list
}

// quickest returns the verdict of a request. A run has enough rounds that the
// fastest one was probably undisturbed.
func quickest(limit time.Duration, c cost) string {
	return verdict(limit, c.median(), c.best(), "in the fastest round")
}

// markdown returns the tables of docs/performance.md.
func (r *report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Go %s. Load average %.1f when the start-ups began and %.1f when they ended.\n", r.machine, r.loadBefore, r.loadAfter)

	b.WriteString("\n### Targets\n\nTimes are medians; of requests, those through the handler.\n\n| what | target | measured | |\n|---|---|---|---|\n")
	for _, t := range r.targets() {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", t.what, t.limit, t.got, t.verdict)
	}

	fmt.Fprintf(&b, "\n### Requests\n\nThe median of %d benchmarks, and the fastest; memory for one request.\n\n", r.rounds)
	b.WriteString("| request | handler | fastest | allocations | bytes | Lambda event to answer | fastest | allocations | bytes |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, q := range r.requests {
		fmt.Fprintf(&b, "| %s |%s |%s |\n", q.request.name, q.handler.cells(), q.event.cells())
	}

	b.WriteString("\n### Sizes\n\n| function | arm64, zipped | arm64 | amd64, zipped | amd64 |\n|---|--:|--:|--:|--:|\n")
	for _, function := range functions {
		s := r.sizes[function]
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", function, megabytes(s.zipped["arm64"]), megabytes(s.plain["arm64"]), megabytes(s.zipped["amd64"]), megabytes(s.plain["amd64"]))
	}

	fmt.Fprintf(&b, "\n### Start-up\n\n%d starts of each, in turns.\n\n", r.starts)
	b.WriteString("| function | fastest | median | 90 % | CPU, least | CPU, median |\n|---|--:|--:|--:|--:|--:|\n")
	for _, p := range r.processes {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", p.name,
			millis(p.starts.quantile(0, took)), millis(p.starts.quantile(0.5, took)), millis(p.starts.quantile(0.9, took)),
			millis(p.starts.quantile(0, cpu)), millis(p.starts.quantile(0.5, cpu)))
	}
	return b.String()
}

func (c cost) cells() string {
	return fmt.Sprintf(" %s | %s | %d | %d", micros(c.median()), micros(c.best()), c.allocs, c.bytes)
}

func micros(d time.Duration) string {
	if d >= time.Millisecond {
		return millis(d)
	}
	return rounded(float64(d)/1e3, 10) + " µs"
}

func millis(d time.Duration) string { return rounded(float64(d)/1e6, 100) + " ms" }
func megabytes(n int64) string      { return rounded(float64(n)/(1<<20), 100) + " MB" }

// rounded formats f in multiples of 1/unit.
func rounded(f, unit float64) string {
	return strconv.FormatFloat(math.Round(f*unit)/unit, 'f', -1, 64)
}

// bench replaces the text between these lines of the document.
const (
	begin = "<!-- make bench writes what follows -->\n"
	end   = "<!-- make bench wrote what precedes -->\n"
)

func replaceTables(doc []byte, tables string) ([]byte, error) {
	head, rest, ok := bytes.Cut(doc, []byte(begin))
	_, tail, ok2 := bytes.Cut(rest, []byte(end))
	if !ok || !ok2 {
		return nil, errors.New("the lines between which the tables belong are missing")
	}
	return slices.Concat(head, []byte(begin+"\n"+tables+"\n"+end), tail), nil
}

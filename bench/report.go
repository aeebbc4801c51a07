package main

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// report has all results of one run.
type report struct {
	options
	machine                string
	now                    *build
	before                 *build // nil without an older build
	commit                 string // of before
	idle                   starts // of a function that does nothing
	loadAtStart, loadAtEnd float64
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
	for _, q := range requests() {
		name, c := q.name, r.now.requests[q.benchmark("handler")]
		if limit := q.under; limit > 0 {
			list = append(list, target{name, "under " + micros(limit), micros(c.median()), quickest(limit, c)})
		}
		if limit := q.maxAllocs; limit > 0 {
			list = append(list, target{name, fmt.Sprintf("at most %d allocations", limit), fmt.Sprint(c.allocs), counted(c.allocs, limit)})
		}
	}
	for _, function := range functions {
		limit, _ := limits(function)
		got := r.now.sizes[function].zipped["arm64"]
		list = append(list, target{function + ", zipped for arm64", "at most " + megabytes(limit), megabytes(got), counted(got, limit)})
	}
	for _, p := range processes() {
		_, limit := limits(p.function)
		s := r.now.starts[p.name]
		got := s.quantile(0.5, took)
		list = append(list, target{p.name + ", start-up", "at most " + millis(limit), millis(got),
			verdict(limit, got, s.quantile(0.5, cpu), "by CPU time")})
	}
	return list
}

// quickest returns the verdict of a request. A run has enough rounds that the
// fastest one was probably undisturbed.
func quickest(limit time.Duration, c *cost) string {
	return verdict(limit, c.median(), c.best(), "in the fastest round")
}

// markdown returns the tables of docs/performance.md.
func (r *report) markdown() (string, error) {
	for _, q := range requests() {
		for way := range ways {
			if r.now.requests[q.benchmark(way)] == nil {
				return "", fmt.Errorf("no result of the benchmark %s", q.benchmark(way))
			}
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Go %s. Load average %.1f when the start-ups began and %.1f when they ended.\n", r.machine, r.loadAtStart, r.loadAtEnd)

	b.WriteString("\n### Targets\n\nTimes are medians; of requests, those through the handler.\n\n| what | target | measured | |\n|---|---|---|---|\n")
	for _, t := range r.targets() {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", t.what, t.limit, t.got, t.verdict)
	}

	fmt.Fprintf(&b, "\n### Requests\n\nThe median of %d benchmarks, and the fastest; memory for one request.\n\n", r.rounds)
	b.WriteString("| request | handler | fastest | allocations | bytes | Lambda event to answer | fastest | allocations | bytes |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, q := range requests() {
		fmt.Fprintf(&b, "| %s |%s |%s |\n", q.name, r.now.requests[q.benchmark("handler")].cells(), r.now.requests[q.benchmark("event")].cells())
	}

	b.WriteString("\n### Sizes\n\n| function | arm64, zipped | arm64 | amd64, zipped | amd64 |\n|---|--:|--:|--:|--:|\n")
	for _, function := range functions {
		s := r.now.sizes[function]
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", function, megabytes(s.zipped["arm64"]), megabytes(s.plain["arm64"]), megabytes(s.zipped["amd64"]), megabytes(s.plain["amd64"]))
	}

	fmt.Fprintf(&b, "\n### Start-up\n\n%d starts of each, alternately.\n\n", r.starts)
	b.WriteString("| function | fastest | median | 90 % | CPU, least | CPU, median |\n|---|--:|--:|--:|--:|--:|\n")
	for _, p := range processes() {
		fmt.Fprintf(&b, "| %s | %s |\n", p.name, r.now.starts[p.name].cells())
	}
	fmt.Fprintf(&b, "| (a function that does nothing) | %s |\n", r.idle.cells())
	if r.before != nil {
		r.comparison(&b)
	}
	return b.String(), nil
}

// comparison writes the tables with both builds.
func (r *report) comparison(b *strings.Builder) {
	fmt.Fprintf(b, "\n### Beside the build before\n\nThe build before is that of commit %s, measured in the same run, alternately with the present one.\n"+
		"Requests that only one of them has are left out.\n", r.commit)
	for _, t := range []struct{ way, title string }{{"handler", "request, handler"}, {"event", "request, Lambda event to answer"}} {
		fmt.Fprintf(b, "\n| %s | fastest, before | after | median, before | after | allocations, before | after | bytes, before | after |\n"+
			"|---|--:|--:|--:|--:|--:|--:|--:|--:|\n", t.title)
		for _, q := range requests() {
			before, after := r.before.requests[q.benchmark(t.way)], r.now.requests[q.benchmark(t.way)]
			if before == nil {
				continue
			}
			fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %d | %d | %d | %d |\n", q.name, micros(before.best()), micros(after.best()),
				micros(before.median()), micros(after.median()), before.allocs, after.allocs, before.bytes, after.bytes)
		}
	}
	b.WriteString("\n| function | start-up, median, before | after | CPU, median, before | after | arm64, zipped, before | after |\n|---|--:|--:|--:|--:|--:|--:|\n")
	for _, p := range processes() {
		before, after := r.before.starts[p.name], r.now.starts[p.name]
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s |\n", p.name,
			millis(before.quantile(0.5, took)), millis(after.quantile(0.5, took)), millis(before.quantile(0.5, cpu)), millis(after.quantile(0.5, cpu)),
			megabytes(r.before.sizes[p.function].zipped["arm64"]), megabytes(r.now.sizes[p.function].zipped["arm64"]))
	}
}

func (s starts) cells() string {
	return fmt.Sprintf("%s | %s | %s | %s | %s", millis(s.quantile(0, took)), millis(s.quantile(0.5, took)), millis(s.quantile(0.9, took)),
		millis(s.quantile(0, cpu)), millis(s.quantile(0.5, cpu)))
}

func (c *cost) cells() string {
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

package main

import (
	"net/http"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/test/lambdaruntime"
)

func BenchmarkRequests(b *testing.B) {
	for _, req := range requests() {
		for name, way := range ways {
			b.Run(req.name+"/"+name, func(b *testing.B) { benchmark(b, req, way) })
		}
	}
}

// benchmark sends the request again and again, and fails at a wrong answer.
func benchmark(b *testing.B, req request, open way) {
	var send sender
	var clock *clock
	left := 0
	b.ReportAllocs()
	for b.Loop() {
		if left == 0 {
			b.StopTimer()
			var err error
			if send, clock, err = req.open("..", open); err != nil {
				b.Fatal(err)
			}
			left = req.fresh
			b.StartTimer()
		}
		left--
		clock.step()
		if status, err := send(); status != req.status || err != nil {
			b.Fatalf("status %d, %v, want %d", status, err, req.status)
		}
	}
}

// Every request must get the expected answer as often as a benchmark sends it.
// Otherwise the benchmark would measure a rejection.
func TestRequestsAreAnswered(t *testing.T) {
	for _, req := range requests() {
		for name, way := range ways {
			t.Run(req.name+"/"+name, func(t *testing.T) {
				send, clock, err := req.open("..", way)
				if err != nil {
					t.Fatal(err)
				}
				times := req.fresh
				if times == 0 {
					times = 20
				}
				for i := range times {
					clock.step()
					if status, err := send(); status != req.status || err != nil {
						t.Fatalf("request %d: status %d, %v, want %d", i+1, status, err, req.status)
					}
				}
			})
		}
	}
}

// In brokered mode errors are redirects too, so the status proves nothing. Each
// request of a batch must lead to the next step, and only once.
func TestRequestsOfABatchLeadToTheNextStep(t *testing.T) {
	for _, tt := range []struct{ after, event string }{
		{"register-open", "authorize"}, {"authorize", "callback"}, {"consent", "decision"}, {"decision", "token-code"},
	} {
		t.Run(tt.event, func(t *testing.T) {
			d, err := spending(tt.after)("..")
			if err != nil {
				t.Fatal(err)
			}
			if len(d.examples) != batch {
				t.Fatalf("%d requests, want %d", len(d.examples), batch)
			}
			for i, known := range d.examples {
				if _, err := d.walk("..", tt.event, known); err != nil {
					t.Errorf("request %d: %v", i+1, err)
				}
			}
			if tt.event != "callback" && tt.event != "token-code" {
				return // can be sent again
			}
			if _, err := d.walk("..", tt.event, d.examples[0]); err == nil {
				t.Error("the first request sent again leads on too, want a refusal")
			}
		})
	}
}

// After request.fresh requests a broker reaches the limit of its policy, and
// the benchmark needs a new one.
func TestOpenRegistrationsAreLimited(t *testing.T) {
	all := requests()
	req := all[slices.IndexFunc(all, func(r request) bool { return r.fresh == appClients })]
	send, clock, err := req.open("..", overHTTP)
	if err != nil {
		t.Fatal(err)
	}
	var status int
	for range appClients + 1 {
		clock.step()
		if status, err = send(); err != nil {
			t.Fatal(err)
		}
	}
	if status != http.StatusTooManyRequests {
		t.Errorf("status %d after %d registrations, want 429", status, appClients)
	}
}

func TestAddRound(t *testing.T) {
	costs := make(map[string]*cost)
	for _, output := range []string{
		"goos: linux\ncpu: AMD EPYC\n" +
			"BenchmarkRequests/direct:_token_relay,_with_net/http's_part/handler-2         \t     100\t    163139 ns/op\t   43932 B/op\t     273 allocs/op\n" +
			"BenchmarkRequests/metadata,_from_memory/event \t 9000\t 28770.5 ns/op\t 15957 B/op\t 171 allocs/op\nPASS\n",
		"BenchmarkRequests/metadata,_from_memory/event-16 \t 100\t 20000 ns/op\t 15990 B/op\t 173 allocs/op\n",
		"BenchmarkRequests/metadata,_from_memory/event-16 \t 100\t 30000 ns/op\t 15900 B/op\t 170 allocs/op\n",
	} {
		if err := addRound(costs, output); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]*cost{
		"direct:_token_relay,_with_net/http's_part/handler": {[]time.Duration{163139}, 273, 43932},
		"metadata,_from_memory/event":                       {[]time.Duration{20000, 28770, 30000}, 170, 15900},
	}
	if !reflect.DeepEqual(costs, want) {
		t.Errorf("got %v, want %v", costs, want)
	}
}

func TestBenchmarkNames(t *testing.T) {
	seen := make(map[string]bool)
	for _, req := range requests() {
		name := req.benchmark("handler")
		if seen[name] {
			t.Errorf("%s: two requests have this name", name)
		}
		seen[name] = true
		costs := make(map[string]*cost)
		if err := addRound(costs, "BenchmarkRequests/"+name+"-2 \t 1\t 2 ns/op\t 3 B/op\t 4 allocs/op\n"); err != nil || costs[name] == nil {
			t.Errorf("%s: got results %v, %v", name, costs, err)
		}
	}
}

// The tables have a row for each function and request, and those of a
// comparison only if there was one.
func TestComparison(t *testing.T) {
	measured := func(ms time.Duration) *build {
		b := &build{requests: make(map[string]*cost), sizes: make(map[string]size), starts: make(map[string]starts)}
		for _, req := range requests() {
			for way := range ways {
				b.requests[req.benchmark(way)] = &cost{[]time.Duration{ms * time.Millisecond}, int64(ms), 100 * int64(ms)}
			}
		}
		for _, p := range processes() {
			b.starts[p.name] = starts{{took: ms * time.Millisecond, cpu: ms * time.Millisecond}}
			b.sizes[p.function] = size{zipped: map[string]int64{"arm64": int64(ms) << 20}}
		}
		return b
	}
	r := &report{now: measured(2), idle: starts{{}}}
	got, err := r.markdown()
	if err != nil || strings.Contains(got, "Beside the build before") {
		t.Errorf("without a build before: got %s, %v", got, err)
	}
	r.before, r.commit = measured(1), "abcdef of 2026-01-01"
	delete(r.before.requests, requests()[1].benchmark("handler"))
	if got, err = r.markdown(); err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(got, "### Beside the build before")
	for line, want := range map[string]int{
		"\n| " + requests()[0].name + " | 1 ms | 2 ms | 1 ms | 2 ms | 1 | 2 | 100 | 200 |\n": 2,
		"\n| " + requests()[1].name + " |":                                                   1, // the other table has it
		"\n| token, direct | 1 ms | 2 ms | 1 ms | 2 ms | 1 MB | 2 MB |\n":                    1,
		"commit abcdef of 2026-01-01":                                                        1,
	} {
		if n := strings.Count(section, line); n != want {
			t.Errorf("%q: got %d times, want %d, in %s", line, n, want, section)
		}
	}
	delete(r.now.requests, requests()[2].benchmark("event"))
	if got, err := r.markdown(); err == nil {
		t.Errorf("without a result: got %s, want an error", got)
	}
}

func TestQuantile(t *testing.T) {
	var s starts
	for _, ms := range []int{5, 1, 4, 2, 3} {
		s = append(s, start{took: time.Duration(ms)})
	}
	for q, want := range map[float64]time.Duration{0: 1, 0.5: 3, 0.9: 5, 1: 5} {
		if got := s.quantile(q, took); got != want {
			t.Errorf("quantile(%v) = %d, want %d", q, got, want)
		}
	}
}

func TestVerdict(t *testing.T) {
	for _, tt := range []struct {
		median, undisturbed time.Duration
		want                string
	}{
		{10, 12, "reached"}, // several threads used more CPU time than elapsed time
		{11, 10, "reached by CPU time (0 ms), not by the median"},
		{11, 11, "**missed**"},
	} {
		if got := verdict(10, tt.median, tt.undisturbed, "by CPU time"); got != tt.want {
			t.Errorf("verdict(10, %d, %d) = %q, want %q", tt.median, tt.undisturbed, got, tt.want)
		}
	}
}

func TestOnlyTheTablesAreReplaced(t *testing.T) {
	doc := "before\n" + begin + "old\n" + end + "after\n"
	got, err := replaceTables([]byte(doc), "new\n")
	if want := "before\n" + begin + "\nnew\n\n" + end + "after\n"; string(got) != want || err != nil {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if got, err := replaceTables([]byte(strings.Replace(doc, end, "", 1)), "new\n"); err == nil {
		t.Errorf("without its last line: got %q, want an error", got)
	}
}

// The metadata function reads its configuration at the start that is measured.
func TestMetadataReadsItsConfigurationAtTheStart(t *testing.T) {
	out := filepath.Join(t.TempDir(), "bootstrap")
	if b, err := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", out, "../functions/metadata").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	around, err := newSurroundings()
	if err != nil {
		t.Fatal(err)
	}
	defer around.close()
	for _, mode := range []string{"brokered", "direct"} {
		f, err := lambdaruntime.New(lambdaruntime.Config{Bootstrap: out, Env: around.environ(mode)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Start(t.Context()); err != nil {
			t.Errorf("%s: %v", mode, err)
		}
		f.Close()
		for _, read := range []string{"configuration in force", "discovery document read"} {
			if !strings.Contains(f.Logs(), read) {
				t.Errorf("%s: the log lacks %q:\n%s", mode, read, f.Logs())
			}
		}
	}
}

package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func BenchmarkRequests(b *testing.B) {
	for _, req := range requests() {
		for name, way := range ways {
			b.Run(req.name+"/"+name, func(b *testing.B) {
				if err := req.bench(b, "..", way); err != nil {
					b.Fatal(err)
				}
			})
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
	if status != 503 {
		t.Errorf("status %d after %d registrations, want 503", status, appClients)
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

package functions

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/test/dynamodbtest"
)

// rendezvous is a server in front of another. It forwards no request until the
// other servers of the rendezvous have one too.
func rendezvous(t *testing.T, arrived *sync.WaitGroup, to string) string {
	t.Helper()
	proxy := forward(t, to)
	var first sync.Once
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		first.Do(arrived.Done)
		arrived.Wait()
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// At its start the metadata function reads the configuration and Cognito's
// document at the same time: neither is answered before both are requested.
func TestMetadataReadsBothAtTheStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dynamodbtest.Endpoint(t))
	w.store()
	var arrived sync.WaitGroup
	arrived.Add(2)
	env := w.functionEnv("metadata")
	env["DYNAMODB_ENDPOINT"] = rendezvous(t, &arrived, env["DYNAMODB_ENDPOINT"])
	env["COGNITO_DISCOVERY"] = strings.Replace(w.env["COGNITO_DISCOVERY"], w.pool, rendezvous(t, &arrived, w.pool), 1)
	w.reads.n.Store(0)
	f := start(t, "metadata", env, 0)
	if _, err := f.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := w.reads.n.Load(); n != 1 {
		t.Errorf("the start read %d items of the table, want one: the document is small", n)
	}
	w.reads.how.Store(readsFail) // a request reads nothing more
	checkAnswered(t, w, f)
	f.Close()
	if !strings.Contains(f.Logs(), "discovery document read") || strings.Contains(f.Logs(), `"level":"ERROR"`) {
		t.Errorf("want both documents read at the start:\n%s", f.Logs())
	}
}

// A start does not wait for long, and does not fail, whatever table and Cognito
// do. Then the first request reads again.
func TestMetadataStartsWhateverHappens(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dynamodbtest.Endpoint(t))
	w.moveClock()
	w.store()
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(silent.Close)
	for _, tt := range []struct {
		name    string
		table   int32
		cognito string
	}{
		{"failures", readsFail, refusing(t)},
		{"no answers", readsHang, silent.URL},
	} {
		t.Run(tt.name, func(t *testing.T) {
			env := w.functionEnv("metadata")
			env["COGNITO_DISCOVERY"] = strings.Replace(w.env["COGNITO_DISCOVERY"], w.pool, tt.cognito, 1)
			w.reads.how.Store(tt.table)
			f := start(t, "metadata", env, 0)
			took, err := f.Start(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if limit := 2*time.Second + startSlack; took > limit {
				t.Errorf("the start took %s, want at most %s", took, limit)
			}
			w.reads.how.Store(readsSucceed)
			w.later(10 * time.Second)
			checkAnswered(t, w, f) // without Cognito's document too
			if f.Starts() != 1 {
				t.Errorf("%d processes, want 1", f.Starts())
			}
			f.Close()
			if n := errorsIn(t, f.Logs(), "configuration"); n != 1 {
				t.Errorf("%d errors about the configuration, want one of the start:\n%s", n, f.Logs())
			}
		})
	}
}

// startSlack is the time of a start without its reads, on a busy machine.
const startSlack = 2 * time.Second

// refusing returns an origin at which nothing listens.
func refusing(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

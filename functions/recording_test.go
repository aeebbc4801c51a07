package functions

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/test/golden"
	"github.com/dcr-broker/dcr-broker/test/must"
	"github.com/dcr-broker/dcr-broker/test/permissions"
)

// recordedFile is the file that `go test -update` writes after a run of all
// tests.
const recordedFile = "../test/permissions/recorded.json"

// calls has the AWS operations that the functions have called, by mode and
// function.
var calls struct {
	mu   sync.Mutex
	seen map[broker.Mode]map[string]map[permissions.Permission]bool
}

// record stores a call in calls if a function made it.
func (w *world) record(function, action, resource string) {
	mode := broker.ModeBrokered
	if w.env["AUTHORIZATION"] == string(broker.ModeDirect) {
		mode = broker.ModeDirect
	}
	if !slices.Contains(permissions.Functions(mode), function) {
		return // the test made the call
	}
	calls.mu.Lock()
	defer calls.mu.Unlock()
	if calls.seen == nil {
		calls.seen = make(map[broker.Mode]map[string]map[permissions.Permission]bool)
	}
	if calls.seen[mode] == nil {
		calls.seen[mode] = make(map[string]map[permissions.Permission]bool)
	}
	if calls.seen[mode][function] == nil {
		calls.seen[mode][function] = make(map[permissions.Permission]bool)
	}
	calls.seen[mode][function][permissions.Permission{Action: action, Resource: resource}] = true
}

// recordedDocument returns the calls so far in the form that permissions.Parse
// reads.
func recordedDocument() ([]byte, error) {
	calls.mu.Lock()
	defer calls.mu.Unlock()
	all := make(map[broker.Mode]map[string][]string)
	for mode, functions := range calls.seen {
		all[mode] = make(map[string][]string)
		for function, seen := range functions {
			for p := range seen {
				all[mode][function] = append(all[mode][function], p.String())
			}
			slices.Sort(all[mode][function])
		}
	}
	b, err := json.MarshalIndent(all, "", "  ")
	return append(b, '\n'), err
}

// checkRecorded compares the calls of all tests with the file.
func checkRecorded() error {
	got, err := recordedDocument()
	if err != nil {
		return err
	}
	if *golden.Update {
		return os.WriteFile(recordedFile, got, 0o644)
	}
	want, err := os.ReadFile(recordedFile)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("the AWS operations that the functions call differ from %s; check the difference, then use -update and change the roles. Got\n%s\nwant\n%s", recordedFile, got, want)
	}
	return nil
}

// dynamoDB starts a proxy to DynamoDB at the endpoint that records the calls of
// functions, and returns its URL.
func (w *world) dynamoDB(endpoint string) string {
	w.t.Helper()
	proxy := forward(w.t, endpoint)
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var in struct {
			TableName, IndexName string
			Key, Item            map[string]struct{ S string }
		}
		if err == nil {
			err = json.Unmarshal(body, &in)
		}
		op, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "DynamoDB_20120810.")
		if err != nil || !ok || in.TableName != w.env["TABLE_NAME"] {
			w.t.Errorf("DynamoDB: %s on table %q (%v)", r.Header.Get("X-Amz-Target"), in.TableName, err)
		}
		resource := permissions.Table
		if in.IndexName != "" {
			resource += "/index/" + in.IndexName
		}
		w.record(caller(r), "dynamodb:"+op, resource)
		configuration := strings.HasPrefix(in.Key[records.ColumnKey].S+in.Item[records.ColumnKey].S, "config#")
		if configuration && op != "GetItem" || !configuration && permissions.KeysOf(caller(r)) == permissions.Configurations {
			w.t.Errorf("%s sent %s", caller(r), body)
		}
		if configuration && w.reads.fail(rw, r) {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(rw, r)
	}))
	w.t.Cleanup(srv.Close)
	return srv.URL
}

// forward returns a handler that forwards requests to an origin.
func forward(t *testing.T, origin string) http.Handler {
	t.Helper()
	to := must.ParseURL(t, origin)
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host }}
}

func TestRecordingIgnoresOtherCallers(t *testing.T) {
	w := &world{t: t, env: map[string]string{"AUTHORIZATION": "direct", "TABLE_NAME": "t"}}
	moto := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { io.Copy(rw, r.Body) }))
	defer moto.Close()
	before, err := recordedDocument()
	if err != nil {
		t.Fatal(err)
	}
	req := must.Request(t, "POST", w.dynamoDB(moto.URL), `{"TableName":"t","IndexName":"due"}`)
	req.Header.Set("X-Amz-Target", "DynamoDB_20120810.Query")
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=stranger/20261121/us-east-1/dynamodb/aws4_request, SignedHeaders=host")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, _ := io.ReadAll(res.Body); string(b) != `{"TableName":"t","IndexName":"due"}` {
		t.Errorf("passed on as %q", b)
	}
	if after, _ := recordedDocument(); !bytes.Equal(before, after) {
		t.Errorf("recorded a call that no function made: %s", after)
	}
}

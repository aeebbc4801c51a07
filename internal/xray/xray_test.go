package xray

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/middleware"
)

const traceHeader = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"

func TestEachAttemptIsASubsegmentOfTheInvocation(t *testing.T) {
	daemon, client := around(t, http.StatusInternalServerError, http.StatusOK)
	if _, err := client.ListTables(invocation(t, traceHeader), nil); err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		status int
		fault  bool
	}{{500, true}, {200, false}} {
		s := received(t, daemon)
		if s.Name != "DynamoDB" || s.AWS.Operation != "ListTables" || s.AWS.Region != "eu-west-1" || s.AWS.RequestID != "request-1" {
			t.Errorf("got %+v, want the call", s)
		}
		if s.TraceID != "1-5759e988-bd862e3fe1be46a994272793" || s.ParentID != "53995c3f42cd8ad8" || s.Type != "subsegment" || len(s.ID) != 16 {
			t.Errorf("got %+v, want it below the invocation's segment", s)
		}
		if s.HTTP == nil || s.HTTP.Response.Status != want.status || s.Fault != want.fault {
			t.Errorf("got %+v, want status %d and fault %t", s, want.status, want.fault)
		}
		if s.EndTime < s.StartTime || s.StartTime < 1e9 {
			t.Errorf("from %v to %v, want seconds since 1970", s.StartTime, s.EndTime)
		}
	}
}

func TestNothingIsSentOfATraceThatIsNotKept(t *testing.T) {
	for _, header := range []string{
		"", "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0", "Sampled=1", "=;;=", "Root=1-2;Sampled=1",
	} {
		daemon, client := around(t, http.StatusOK, http.StatusOK)
		if _, err := client.ListTables(invocation(t, header), nil); err != nil {
			t.Fatal(err)
		}
		if _, err := client.ListTables(invocation(t, traceHeader), nil); err != nil {
			t.Fatal(err)
		}
		if s := received(t, daemon); s.HTTP.Response.Status != 200 || s.ParentID != "53995c3f42cd8ad8" {
			t.Errorf("header %q: got %+v, want only what came after it", header, s)
		}
		if err := daemon.SetReadDeadline(time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
		if n, _, err := daemon.ReadFrom(make([]byte, 1)); err == nil {
			t.Errorf("header %q: %d more bytes were sent", header, n)
		}
	}
}

func TestADaemonThatIsAwayCostsNothing(t *testing.T) {
	daemon, client := around(t, http.StatusOK)
	daemon.Close()
	for range 3 {
		if _, err := client.ListTables(invocation(t, traceHeader), nil); err != nil {
			t.Errorf("call without a daemon: %v", err)
		}
	}
}

// around returns a daemon, and a client of a DynamoDB that gives these answers,
// and the last for ever.
func around(t *testing.T, statuses ...int) (net.PacketConn, *dynamodb.Client) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Amzn-Requestid", "request-1")
		w.WriteHeader(statuses[0])
		w.Write([]byte("{}"))
		statuses = statuses[min(1, len(statuses)-1):]
	}))
	t.Cleanup(srv.Close)
	daemon, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { daemon.Close() })
	tracer, err := New(daemon.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	return daemon, dynamodb.New(dynamodb.Options{
		Region: "eu-west-1", BaseEndpoint: aws.String(srv.URL),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "id", SecretAccessKey: "secret"}, nil
		}),
		APIOptions: []func(*middleware.Stack) error{tracer.Add},
	})
}

// invocation is a context as aws-lambda-go makes it.
func invocation(t *testing.T, header string) context.Context {
	//lint:ignore SA1029 the key is aws-lambda-go's
	return context.WithValue(t.Context(), traceKey, header)
}

func received(t *testing.T, daemon net.PacketConn) subsegment {
	t.Helper()
	if err := daemon.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64<<10)
	n, _, err := daemon.ReadFrom(buf)
	if err != nil {
		t.Fatal(err)
	}
	header, body, _ := bytes.Cut(buf[:n], []byte("\n"))
	if string(header) != `{"format":"json","version":1}` {
		t.Fatalf("the daemon got the header %q", header)
	}
	var s subsegment
	if err := json.Unmarshal(body, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

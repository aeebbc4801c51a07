package signed

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

// Each attempt is measured and carries the trace of the invocation.
func TestAttemptsAreMeasuredAndTraced(t *testing.T) {
	const trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
	var traces []string
	s := New("secretsmanager", config(doer(func(r *http.Request) (*http.Response, error) {
		traces = append(traces, r.Header.Get("X-Amzn-Trace-Id"))
		if strings.Contains(r.Header.Get("Authorization"), "x-amzn-trace-id") {
			t.Error("the trace header is signed, and proxies of AWS change it")
		}
		status := http.StatusOK
		if len(traces) == 1 {
			status = http.StatusServiceUnavailable
		}
		return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}"))}, nil
	})))
	//lint:ignore SA1029 the key is aws-lambda-go's
	ctx, activity := telemetry.Begin(context.WithValue(t.Context(), traceKey, trace), "")
	if err := s.Call(ctx, "secretsmanager.GetSecretValue", struct{}{}, new(struct{})); err != nil {
		t.Fatal(err)
	}
	if len(traces) != 2 || traces[0] != trace || traces[1] != trace {
		t.Errorf("sent with %q, want two attempts with %s", traces, trace)
	}
	var out bytes.Buffer
	activity.Log(ctx, slog.New(slog.NewJSONHandler(&out, nil)), "run")
	var line struct{ Other struct{ Calls int } }
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || line.Other.Calls != 2 {
		t.Errorf("measured %+v, %v, want 2 calls", line, err)
	}
}

func TestWithoutATraceNoHeaderIsSent(t *testing.T) {
	s := New("secretsmanager", config(doer(func(r *http.Request) (*http.Response, error) {
		if v, ok := r.Header["X-Amzn-Trace-Id"]; ok {
			t.Errorf("X-Amzn-Trace-Id: %q, want none", v)
		}
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}"))}, nil
	})))
	if err := s.Call(t.Context(), "secretsmanager.GetSecretValue", struct{}{}, new(struct{})); err != nil {
		t.Fatal(err)
	}
}

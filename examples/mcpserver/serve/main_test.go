package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"testing"
)

func TestServesUntilStopped(t *testing.T) {
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	origin := "http://" + l.Addr().String()
	env := map[string]string{"RESOURCE": origin + "/mcp", "AUTHORIZATION_SERVER": "http://localhost:8080", "TOKEN_ISSUER": "http://localhost:9229/pool"}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- serve(ctx, l, func(name string) string { return env[name] }, slog.New(slog.DiscardHandler))
	}()
	res, err := http.Get(origin + "/.well-known/oauth-protected-resource/mcp")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("metadata = %s, want 200", res.Status)
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("serve = %v, want nil", err)
	}
}

func TestMissingVariablesAreReported(t *testing.T) {
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := serve(t.Context(), l, func(string) string { return "" }, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("serve without an environment = nil, want an error")
	}
}

package devstack

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

func TestStackAnswersAtItsURLs(t *testing.T) {
	for _, mode := range []broker.Mode{broker.ModeBrokered, broker.ModeDirect} {
		t.Run(string(mode), func(t *testing.T) { testStackAnswersAtItsURLs(t, mode) })
	}
}

func testStackAnswersAtItsURLs(t *testing.T, mode broker.Mode) {
	s, err := Start(t.Context(), Options{Getenv: func(name string) string {
		return map[string]string{"AUTHORIZATION": string(mode)}[name]
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Authorization != mode {
		t.Errorf("Authorization = %s, want %s", s.Authorization, mode)
	}
	for _, tt := range []struct {
		url    string
		status int
		member string
		want   string
	}{
		{s.Issuer + "/.well-known/oauth-authorization-server", 200, "issuer", s.Issuer},
		{s.Issuer + "/.well-known/oauth-protected-resource/mcp", 200, "resource", s.MCP},
		{strings.TrimSuffix(s.MCP, "/mcp") + "/.well-known/oauth-protected-resource/mcp", 200, "resource", s.MCP},
		{s.Cognito + "/" + poolID + "/.well-known/openid-configuration", 200, "issuer", s.Cognito + "/" + poolID},
		{s.Issuer + "/register/unknown", 401, "error", "invalid_token"},
	} {
		res, err := http.Get(tt.url)
		if err != nil {
			t.Fatal(err)
		}
		var doc map[string]any
		err = json.NewDecoder(res.Body).Decode(&doc)
		res.Body.Close()
		if err != nil || res.StatusCode != tt.status || doc[tt.member] != tt.want {
			t.Errorf("GET %s = %d with %s %v (%v), want %d with %s", tt.url, res.StatusCode, tt.member, doc[tt.member], err, tt.status, tt.want)
		}
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if _, err := http.Get(s.Issuer); err == nil {
		t.Error("the broker answers after Close")
	}
}

func TestStartNamesTheServerWhosePortIsInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, err = Start(t.Context(), Options{Broker: taken.Addr().String()})
	a, ok := errors.AsType[*AddressError](err)
	if !ok || a.Server != "broker" || !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("Start = %v, want an AddressError of the broker", err)
	}
}

func TestStartReportsAllFaultsOfTheEnvironment(t *testing.T) {
	_, err := Start(t.Context(), Options{Getenv: func(name string) string {
		return map[string]string{"AUTHORIZATION": "both", "LAMBDA_ENDPOINT": "x", "COGNITO_BACK_CHANNEL": "x"}[name]
	}})
	if err == nil || !strings.Contains(err.Error(), "AUTHORIZATION") || !strings.Contains(err.Error(), "COGNITO_BACK_CHANNEL") {
		t.Errorf("Start = %v, want both faults", err)
	}
}

// A faulty configuration stops the start, and nothing of the stack stays.
func TestStartReportsFaultsOfTheConfiguration(t *testing.T) {
	o := Options{Configuration: in(t, broker.ModeBrokered, "{}").file}
	s, err := Start(t.Context(), o)
	if _, ok := errors.AsType[*configurationError](err); !ok || s != nil {
		t.Errorf("Start = %v, %v, want a configurationError", s, err)
	}
}

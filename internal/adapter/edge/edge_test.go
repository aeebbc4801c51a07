package edge_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/adapter/edge"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

var (
	current  = strings.Repeat("c", 32)
	previous = strings.Repeat("p", 32)
)

func admit(t *testing.T, document string) func(*http.Request) error {
	t.Helper()
	s, err := edge.Parse([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%v %+v %#v %s", s, *s, *s, s); strings.Contains(text, current) {
		t.Errorf("the secret prints as %s", text)
	}
	return edge.Admit(func(context.Context) (*edge.Secret, error) { return s, nil })
}

func request(headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/register", nil)
	r.RemoteAddr = "203.0.113.9:0"
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func TestRequestsPastTheEdgeAreRefused(t *testing.T) {
	both := `{"current":"` + current + `","previous":"` + previous + `"}`
	for _, tt := range []struct {
		document string
		sent     []string
		ok       bool
	}{
		{both, []string{current}, true},
		{both, []string{previous}, true}, // while the edge gets the new value
		{`{"current":"` + current + `"}`, []string{previous}, false},
		{`{"current":"` + current + `"}`, []string{""}, false}, // the absent value is none
		{both, nil, false},
		{both, []string{current + "c"}, false},
		{both, []string{current[1:]}, false},
		{both, []string{current + "," + current}, false}, // two lines, as API Gateway joins them
		{both, []string{current, current}, false},
	} {
		r := request("CloudFront-Viewer-Address", "198.51.100.1:1")
		for _, s := range tt.sent {
			r.Header.Add(edge.SecretHeader, s)
		}
		err := admit(t, tt.document)(r)
		if tt.ok {
			if err != nil || r.RemoteAddr != "198.51.100.1:0" || r.Header.Get(edge.SecretHeader) != "" {
				t.Errorf("sent %q: %v from %s, want it admitted without the secret", tt.sent, err, r.RemoteAddr)
			}
			continue
		}
		e, refused := errors.AsType[*httpapi.Error](err)
		if !refused || e.Status != http.StatusForbidden {
			t.Errorf("sent %q: %v, want 403", tt.sent, err)
		} else if strings.Contains(e.Error(), current) || strings.Contains(e.Error(), previous) {
			t.Errorf("the refusal has a secret: %v", e)
		}
	}
}

func TestTheViewersAddress(t *testing.T) {
	a := admit(t, `{"current":"`+current+`"}`)
	for _, tt := range []struct {
		headers []string
		want    string
	}{
		{[]string{"198.51.100.10:46532"}, "198.51.100.10:0"},
		{[]string{"2001:db8:0:0:1::1:46532"}, "[2001:db8::1:0:0:1]:0"}, // CloudFront writes no brackets
		{[]string{"[2001:db8::1]:46532"}, "[2001:db8::1]:0"},
		{nil, ""},
		{[]string{""}, ""},
		{[]string{"198.51.100.10"}, ""},
		{[]string{"nowhere:1"}, ""},
		{[]string{"198.51.100.10:1", "198.51.100.11:1"}, ""},
	} {
		r := request(edge.SecretHeader, current, "X-Forwarded-For", "192.0.2.1")
		for _, h := range tt.headers {
			r.Header.Add("CloudFront-Viewer-Address", h)
		}
		if err := a(r); err != nil || r.RemoteAddr != tt.want {
			t.Errorf("viewer %q: %v from %q, want %q", tt.headers, err, r.RemoteAddr, tt.want)
		}
	}
}

func TestHiddenAddresses(t *testing.T) {
	r := request("CloudFront-Viewer-Address", "198.51.100.1:1")
	if err := edge.Hidden(r); err != nil || r.RemoteAddr != "" {
		t.Errorf("%v from %q, want no address", err, r.RemoteAddr)
	}
}

// While the secret cannot be read, nothing is admitted, and the client can try
// again.
func TestAnUnreadableSecretIsUnavailable(t *testing.T) {
	a := edge.Admit(func(context.Context) (*edge.Secret, error) { return nil, errors.New("no answer") })
	err := a(request(edge.SecretHeader, current))
	if r, ok := errors.AsType[*broker.Refusal](err); !ok || r.Code != dcr.Unavailable || r.RetryAfter <= 0 {
		t.Errorf("%v, want an error that says to try again", err)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, document := range []string{
		"", "null", "[]", `"` + current + `"`, "{}", `{"current":""}`, `{"current":"short"}`, `{"current":1}`,
		`{"current":"` + current + `","previous":"short"}`, `{"previous":"` + previous + `"}`,
	} {
		if _, err := edge.Parse([]byte(document)); err == nil {
			t.Errorf("Parse(%q) succeeded", document)
		} else if strings.Contains(err.Error(), "short") || strings.Contains(err.Error(), current) {
			t.Errorf("Parse(%q): the error has a value: %v", document, err)
		}
	}
}

package lambdahttp

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/dcr-broker/dcr-broker/internal/adapter"
	"github.com/dcr-broker/dcr-broker/test/lambdaruntime"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// answer is the response that a client gets.
type answer struct {
	status int
	header http.Header
	body   string
}

// transport carries the request that an event describes to a handler.
type transport func(*testing.T, http.Handler, events.APIGatewayV2HTTPRequest) answer

var transports = map[string]transport{"net/http": overHTTP, "Lambda": overLambda}

// onBoth runs a test over net/http and over this package.
func onBoth(t *testing.T, f func(*testing.T, transport)) {
	t.Helper()
	for name, tr := range transports {
		t.Run(name, func(t *testing.T) { f(t, tr) })
	}
}

func overLambda(t *testing.T, h http.Handler, e events.APIGatewayV2HTTPRequest) answer {
	t.Helper()
	return invoke(t, t.Context(), h, e)
}

// invoke encodes the event and the response as JSON, as the Lambda runtime API
// does.
func invoke(t *testing.T, ctx context.Context, h http.Handler, e events.APIGatewayV2HTTPRequest) answer {
	t.Helper()
	payload := must.Marshal(t, e)
	out, err := lambda.NewHandler(New(h)).Invoke(ctx, payload)
	if err != nil {
		t.Fatalf("the invocation failed: %v", err)
	}
	a, err := lambdaruntime.ParseAnswer(out)
	if err != nil {
		t.Fatal(err)
	}
	return answer{a.Status, a.Header, string(a.Body)}
}

// overHTTP sends the request that API Gateway received, over a real connection.
func overHTTP(t *testing.T, h http.Handler, e events.APIGatewayV2HTTPRequest) answer {
	t.Helper()
	srv := httptest.NewServer(h)
	defer srv.Close()

	req, err := lambdaruntime.Request(t.Context(), srv.URL, e)
	if err != nil {
		t.Fatal(err)
	}
	client := adapter.WithoutRedirects(&http.Client{Transport: &http.Transport{DisableCompression: true}})
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(got)}
}

// event reads one of the project's events.
func event(t testing.TB, name string) events.APIGatewayV2HTTPRequest {
	t.Helper()
	b := must.ReadFile(t, filepath.Join("..", "..", "..", "events", name+".json"))
	var e events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal(b, &e); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return e
}

// get returns the smallest event.
func get(path string) events.APIGatewayV2HTTPRequest {
	return request(http.MethodGet, path)
}

func request(method, path string) events.APIGatewayV2HTTPRequest {
	e := events.APIGatewayV2HTTPRequest{Version: "2.0", RawPath: path, Headers: map[string]string{"host": "auth.example.com"}}
	e.RequestContext.DomainName = "auth.example.com"
	e.RequestContext.RequestID = "gateway-id"
	e.RequestContext.HTTP.Method = method
	e.RequestContext.HTTP.Path = path
	e.RequestContext.HTTP.SourceIP = "203.0.113.7"
	return e
}

// seen is the request that a handler sees.
type seen struct {
	Method, Path, Host, Body string
	Query                    url.Values
	Headers                  map[string][]string
	Cookies                  []string
	ContentLength            int64
	RemoteHost               string
	RequestURI               string
}

package lambdahttp

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
)

// echo responds with the request that it sees.
func echo(t *testing.T) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		s := seen{
			Method: r.Method, Path: r.URL.Path, Host: r.Host, Body: string(body),
			Query: r.URL.Query(), Headers: r.Header, ContentLength: r.ContentLength, RequestURI: r.RequestURI,
		}
		if r.URL.Host != "" || r.URL.Scheme != "" || r.URL.Fragment != "" {
			t.Errorf("URL = %q, want only path and query", r.URL)
		}
		for _, c := range r.Cookies() {
			s.Cookies = append(s.Cookies, c.String())
		}
		if s.RemoteHost, _, err = net.SplitHostPort(r.RemoteAddr); err != nil {
			t.Errorf("RemoteAddr = %q: %v", r.RemoteAddr, err)
		}
		json.NewEncoder(w).Encode(s)
	})
}

func TestRequestsArriveAsSent(t *testing.T) {
	headers := func(pairs ...string) map[string][]string {
		m := make(map[string][]string)
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = []string{pairs[i+1]}
		}
		return m
	}
	withHeader := func(name, value string) events.APIGatewayV2HTTPRequest {
		e := get("/")
		e.Headers[name] = value
		return e
	}
	for _, tt := range []struct {
		name  string
		event events.APIGatewayV2HTTPRequest
		want  seen // Headers has only the checked ones
	}{
		{"percent that is no escape", event(t, "path-percent"), seen{Path: "/%zz", RequestURI: "/%25zz"}},
		{"NUL in the path", event(t, "path-nul"), seen{Path: "/a\x00b", RequestURI: "/a%00b"}},
		{"question mark in the path", event(t, "path-question-mark"), seen{Path: "/a?b=c", RequestURI: "/a%3Fb=c"}},
		{"question mark in the path and a query", event(t, "path-question-mark-query"), seen{Path: "/a?b=c", Query: url.Values{"d": {"e"}}, RequestURI: "/a%3Fb=c?d=e"}},
		{"number sign in the path", event(t, "path-number-sign"), seen{Path: "/a#b", RequestURI: "/a%23b"}},
		{"unclean path", event(t, "path-dots"), seen{Path: "//auth.example.com/../register"}},
		{"space, plus and percent in the path", get("/a b+c%20"), seen{Path: "/a b+c%20", RequestURI: "/a%20b+c%2520"}},
		{"letters beyond ASCII in the path", get("/ü/日本"), seen{Path: "/ü/日本"}},
		{"a query that is partly escaped", func() events.APIGatewayV2HTTPRequest {
			e := get("/")
			e.RawQueryString = "a=%ff%00&b=%zz&c=1+2"
			return e
		}(), seen{Path: "/", Query: url.Values{"a": {"\ufffd\x00"}, "c": {"1 2"}}, RequestURI: "/?a=%ff%00&b=%zz&c=1+2"}},
		{"repeated query parameters", event(t, "metadata-repeated-query"), seen{
			Path:  "/.well-known/oauth-authorization-server",
			Query: url.Values{"resource": {"https://a.example/mcp", "https://b.example/mcp"}, "empty": {""}},
		}},
		{"two cookies", event(t, "metadata-cookies"), seen{
			Path: "/.well-known/oauth-authorization-server", Cookies: []string{"session=one", "theme=dark"},
			Headers: headers("Cookie", "session=one; theme=dark"),
		}},
		{"Accept, If-Range, Date and X-Forwarded-For", event(t, "metadata-accept"), seen{
			Path: "/.well-known/oauth-authorization-server",
			Headers: headers("Accept", "application/json, text/event-stream;q=0.5", "If-Range", "Tue, 24 Nov 2026 22:14:09 GMT",
				"Date", "Tue, 24 Nov 2026 22:14:09 GMT", "X-Forwarded-For", "198.51.100.9, 203.0.113.7"),
		}},
		{"If-None-Match with a comma in a tag", event(t, "metadata-not-modified"), seen{
			Path: "/.well-known/oauth-authorization-server", Headers: headers("If-None-Match", `"another,tag", W/"0123456789abcdefghijklmn"`),
		}},
		{"Access-Control-Request-Headers", event(t, "register-preflight"), seen{
			Method: "OPTIONS", Path: "/register", Headers: headers("Access-Control-Request-Headers", "authorization,content-type,mcp-protocol-version"),
		}},
		{"two Authorization lines, as the gateway joins them", event(t, "token-two-authorizations"), seen{
			Method: "POST", Path: "/token", Body: "grant_type=client_credentials", Headers: headers("Authorization", "Basic YTpi,Basic Yzpk"),
		}},
		{"an unknown header", withHeader("x-list", `a, "b,c" ,d`), seen{Path: "/", Headers: headers("X-List", `a, "b,c" ,d`)}},
		{"an empty header", withHeader("x-empty", ""), seen{Path: "/", Headers: headers("X-Empty", "")}},
		{"a base64 form", event(t, "revoke-unknown-client"), seen{
			Method: "POST", Path: "/revoke", Body: "client_id=9unknown23456789abcdefghij&token=example-refresh-token",
			Headers: headers("Content-Type", "application/x-www-form-urlencoded"),
		}},
		{"letters beyond ASCII in a base64 body", event(t, "register-base64-body"), seen{
			Method: "POST", Path: "/register", Headers: headers("Content-Type", "application/json; charset=utf-8"),
			Body: `{"client_name": "Beispiel-Anwendung für Ümläute", "redirect_uris": ["http://localhost:3118/callback"], "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"], "token_endpoint_auth_method": "none", "scope": "openid mcp/read"}`,
		}},
		{"a plain body", event(t, "token-plain-body"), seen{
			Method: "POST", Path: "/token", Body: "grant_type=password&client_id=1example23456789abcdefghij",
		}},
		{"a method in lower case", request("get", "/"), seen{Method: "get", Path: "/"}},
		{"an unknown method", request("BREW", "/"), seen{Method: "BREW", Path: "/"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, tr transport) {
				a := tr(t, echo(t), tt.event)
				var got seen
				if err := json.Unmarshal([]byte(a.body), &got); err != nil {
					t.Fatalf("%v in %q", err, a.body)
				}
				checkSeen(t, got, tt.want)
			})
		})
	}
}

func checkSeen(t *testing.T, got, want seen) {
	t.Helper()
	if want.Method == "" {
		want.Method = "GET"
	}
	if want.Query == nil {
		want.Query = url.Values{}
	}
	for name, values := range want.Headers {
		if !reflect.DeepEqual(got.Headers[name], values) {
			t.Errorf("%s = %q, want %q", name, got.Headers[name], values)
		}
	}
	if _, there := got.Headers["Host"]; there || got.Host != "auth.example.com" {
		t.Errorf("Host = %q, header field %q, want auth.example.com and no field", got.Host, got.Headers["Host"])
	}
	if got.RemoteHost != "203.0.113.7" && got.RemoteHost != "127.0.0.1" {
		t.Errorf("remote host = %q, want the client's", got.RemoteHost)
	}
	if want.RequestURI != "" && got.RequestURI != want.RequestURI {
		t.Errorf("RequestURI = %q, want %q", got.RequestURI, want.RequestURI)
	}
	want.ContentLength = int64(len(want.Body))
	want.Host, want.Headers, want.RemoteHost, want.RequestURI = got.Host, got.Headers, got.RemoteHost, got.RequestURI
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the handler saw %+v\nwant %+v", got, want)
	}
}

// An HTTP request never gives these events.
func TestIncompleteEvents(t *testing.T) {
	noPath := request("GET", "/from/context")
	noPath.RawPath = ""
	noSlash := get("register")
	noHost := get("/")
	noHost.Headers = nil
	onlyParameters := get("/")
	onlyParameters.QueryStringParameters = map[string]string{"a": "1"}
	for _, tt := range []struct {
		name  string
		event events.APIGatewayV2HTTPRequest
		path  string
		query string
	}{
		{"path only in the context", noPath, "/from/context", ""},
		{"path without slash", noSlash, "/register", ""},
		{"no path", request("GET", ""), "/", ""},
		{"host only in the context", noHost, "/", ""},
		{"only the parsed query", onlyParameters, "/", "a=1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != tt.path || r.URL.RawQuery != tt.query || r.Host != "auth.example.com" {
					t.Errorf("path %q, query %q, host %q; want %q, %q, auth.example.com", r.URL.Path, r.URL.RawQuery, r.Host, tt.path, tt.query)
				}
			})
			overLambda(t, h, tt.event)
		})
	}
}

// For any bytes the invocation succeeds, and the handler sees the path, query
// and header of the event.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/%zz", "a=1&a=2", "a, b", "body", false)
	f.Add("POST", "/a?b#c\x00", "%zz#\x7f", "\"x,y\"\r\n", "!", true)
	f.Add("", "//", "?", "", "", true)
	f.Add("B A D", "*", "", "", "", false)
	f.Fuzz(func(t *testing.T, method, path, query, header, body string, b64 bool) {
		e := request(method, path)
		e.RawQueryString, e.Headers["accept"], e.Body, e.IsBase64Encoded = query, header, body, b64
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if want := "/" + strings.TrimPrefix(path, "/"); r.URL.Path != want {
				t.Errorf("path = %q, want %q", r.URL.Path, want)
			}
			if r.URL.RawQuery != query {
				t.Errorf("query = %q, want %q", r.URL.RawQuery, query)
			}
			if got := r.Header.Values("Accept"); len(got) != 1 || got[0] != header {
				t.Errorf("Accept = %q, want %q", got, header)
			}
			w.WriteHeader(http.StatusTeapot)
		})
		res, err := New(h)(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != http.StatusTeapot && res.StatusCode != http.StatusBadRequest {
			t.Errorf("status = %d, want the handler's or 400", res.StatusCode)
		}
	})
}

package metadata_test

import (
	"bytes"
	"net/http/httptest"
	"testing"
)

// A request that could choose the issuer or an endpoint by a header would make
// clients send their codes to an attacker.
func TestDocumentsDoNotDependOnTheRequest(t *testing.T) {
	h := broker(t, up(t), resource("https://mcp.example.com/mcp"))
	for _, path := range []string{asPath, oidcPath, prmPath, prmPath + "/mcp"} {
		want := bodyOf(t, ask(h, "GET", path))
		for _, header := range [][]string{
			{"Host", "evil.example"},
			{"X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "http", "X-Forwarded-Prefix", "/evil"},
			{"Forwarded", "host=evil.example;proto=http"},
			{"X-Original-URL", "https://evil.example/"},
			{"Origin", "https://evil.example", "Referer", "https://evil.example/"},
			{"Accept", "text/html", "Accept-Language", "de"},
		} {
			r := httptest.NewRequest("GET", "https://auth.example.com"+path, nil)
			for i := 0; i < len(header); i += 2 {
				r.Header.Set(header[i], header[i+1])
			}
			if host := r.Header.Get("Host"); host != "" {
				r.Host = host
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			resp := w.Result()
			if got := bodyOf(t, resp); resp.StatusCode != 200 || !bytes.Equal(got, want) {
				t.Errorf("GET %s with %q: %d\n got %s\nwant %s", path, header, resp.StatusCode, got, want)
			}
			wantHeader(t, path, resp, "Access-Control-Allow-Credentials", "")
			wantHeader(t, path, resp, "Vary", "") // so that a cache keeps one copy for all
		}
	}
}

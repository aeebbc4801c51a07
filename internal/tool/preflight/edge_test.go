package preflight

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/environment"
)

func TestEdge(t *testing.T) {
	for _, tt := range []struct {
		name, edge string
		headers    map[string]string
		want       Status // "" for no check
	}{
		{"nothing in front", "", nil, ""},
		{"another proxy", "", map[string]string{"Via": "1.1 proxy"}, ""},
		{"CloudFront by its id", "", map[string]string{"X-Amz-Cf-Id": "a"}, Warning},
		{"CloudFront by Via", "", map[string]string{"Via": "1.1 abc.cloudfront.net (CloudFront)"}, Warning},
		{"CloudFront with a secret", "secretsmanager:a", map[string]string{"X-Amz-Cf-Id": "a"}, OK},
		{"hidden", "hidden", nil, Warning},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				for name, value := range tt.headers {
					w.Header().Set(name, value)
				}
			}))
			defer srv.Close()
			c := &environment.Environment{}
			c.Issuer, c.Edge = srv.URL, tt.edge
			r := &run{Options: Options{Environment: c}}
			r.edge(t.Context())
			var got Status
			if len(r.checks) > 0 {
				got = r.checks[0].Status
			}
			if got != tt.want {
				t.Errorf("got %q %v, want %q", got, r.checks, tt.want)
			}
			if got == Warning && r.checks[0].Do == "" {
				t.Error("the warning does not say what to do")
			}
		})
	}
	t.Run("an issuer that is not there yet", func(t *testing.T) {
		srv := httptest.NewServer(http.NotFoundHandler())
		srv.Close()
		c := &environment.Environment{}
		c.Issuer = srv.URL
		r := &run{Options: Options{Environment: c}}
		if r.edge(t.Context()); len(r.checks) != 0 {
			t.Errorf("checks = %v, want none", r.checks)
		}
	})
}

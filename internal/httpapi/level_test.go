package httpapi

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// An answer of 500 or more is an error in the log. It is a warning if its cause
// is in the log already, and one failed read can refuse many requests.
func TestLevelOfARefusal(t *testing.T) {
	cause := errors.New("not read")
	for name, tt := range map[string]struct {
		err    error
		level  string
		status int
	}{
		"a fault":           {cause, "ERROR", 500},
		"unavailable":       {broker.Unavailable("busy", time.Second, cause), "ERROR", 503},
		"not ready":         {broker.NotReady(cause), "WARN", 503},
		"not ready, nested": {fmt.Errorf("policy: %w", &Error{Status: 503, Code: "c", Cause: broker.NotReady(cause)}), "WARN", 503},
		"the client's":      {broker.Refuse(dcr.InvalidRequest, "no"), "INFO", 400},
	} {
		var log strings.Builder
		rt := NewRouter(slog.New(slog.NewTextHandler(&log, nil)))
		rt.Handle(http.MethodGet, "/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { WriteError(w, r, tt.err) }))
		w := httptest.NewRecorder()
		rt.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		if line, _, _ := strings.Cut(log.String(), "\n"); w.Code != tt.status || !strings.Contains(line, "level="+tt.level+" msg=refused") {
			t.Errorf("%s: %d and the line %s, want %d and %s", name, w.Code, line, tt.status, tt.level)
		}
	}
}

package main

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// terminal is a writer that servers and a test use at the same time.
type terminal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (t *terminal) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(b)
}

func (t *terminal) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// The terminal shows requests and the audit trail only with --verbose, and never
// the text that CloudWatch makes metrics of.
func TestRequestsAreLoggedOnlyIfVerbose(t *testing.T) {
	for _, args := range [][]string{{"run"}, {"run", "-v"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			c, err := parse(t, args...)
			if err != nil {
				t.Fatal(err)
			}
			var out terminal
			s, err := c.Run.start(t.Context(), newLog(&out, c.Run.level()))
			if err != nil {
				t.Fatal(err)
			}
			res, err := http.Post(s.Issuer+"/register", "application/json", strings.NewReader(`{"redirect_uris":["http://localhost:7777/callback"]}`))
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, res.Body)
			res.Body.Close()
			if err := s.Close(); err != nil { // the request's line has been written
				t.Fatal(err)
			}
			text := out.String()
			if !c.Run.Verbose && text != "" {
				t.Errorf("without -v the terminal shows\n%s", text)
			}
			for _, want := range []string{"msg=answered", "route=/register", "msg=audit", "event=registration.created"} {
				if c.Run.Verbose && !strings.Contains(text, want) {
					t.Errorf("with -v the terminal lacks %q:\n%s", want, text)
				}
			}
			if strings.Contains(text, "_aws") {
				t.Errorf("the terminal shows the text for CloudWatch:\n%s", text)
			}
		})
	}
}

func TestLogKeepsTheLevelWithAttributesAndGroups(t *testing.T) {
	var out bytes.Buffer
	log := newLog(&out, slog.LevelWarn).With("a", 1).WithGroup("g")
	log.Info("hidden")
	log.Handler().Handle(t.Context(), slog.Record{Level: slog.LevelInfo, Message: "hidden"})
	log.Warn("shown", "b", 2)
	if got := out.String(); strings.Contains(got, "hidden") || !strings.Contains(got, "msg=shown a=1 g.b=2") {
		t.Errorf("the log has %q, want only the warning with a=1 g.b=2", got)
	}
}

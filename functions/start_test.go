package functions

import (
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/test/lambdaruntime"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// A function with a wrong environment reports all faults at once.
func TestWrongEnvironmentStopsTheStart(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, mode string
		required   []string
	}{
		{"metadata", "direct", []string{"ISSUER", "AWS_REGION", "USER_POOL_ID", "COGNITO_DOMAIN", "TABLE_NAME"}},
		{"token", "direct", []string{"ISSUER", "AWS_REGION", "USER_POOL_ID", "COGNITO_DOMAIN", "TABLE_NAME"}},
		{"token", "brokered", []string{"ISSUER", "TABLE_NAME", "KEYS", "PROVISION_FUNCTION"}},
		{"register", "direct", []string{"ISSUER", "AWS_REGION", "USER_POOL_ID", "COGNITO_DOMAIN", "TABLE_NAME", "DEPLOYMENT_ID"}},
		{"register", "brokered", []string{"ISSUER", "TABLE_NAME", "KEYS"}},
		{"authorize", "brokered", []string{"ISSUER", "TABLE_NAME", "KEYS", "PROVISION_FUNCTION"}},
		{"provision", "brokered", []string{"ISSUER", "TABLE_NAME", "KEYS", "DEPLOYMENT_ID"}},
		{"janitor", "direct", []string{"ISSUER", "TABLE_NAME", "DEPLOYMENT_ID"}},
	} {
		name, required := tt.name, tt.required
		t.Run(name+" "+tt.mode, func(t *testing.T) {
			f := start(t, name, map[string]string{"LOG_LEVEL": "loud", "AUTHORIZATION": tt.mode}, 0)
			_, err := f.Start(t.Context())
			e, ok := errors.AsType[*lambdaruntime.Error](err)
			if !ok || !e.Init || e.Type != "Function.InvalidConfiguration" {
				t.Fatalf("error = %v, want a report of wrong configuration at init", err)
			}
			f.Close()
			if n := strings.Count(f.Logs(), "\n"); n != 1 {
				t.Errorf("%d lines in the log, want 1:\n%s", n, f.Logs())
			}
			var l struct {
				Level, Msg string
				Faults     []string
			}
			if err := json.Unmarshal([]byte(f.Logs()), &l); err != nil {
				t.Fatalf("%v in %q", err, f.Logs())
			}
			if l.Level != "ERROR" || l.Msg != "cannot start" {
				t.Errorf("logged %s %q, want ERROR \"cannot start\"", l.Level, l.Msg)
			}
			faults := strings.Join(l.Faults, "\n")
			for _, variable := range append(required, "LOG_LEVEL") {
				if !strings.Contains("\n"+faults, "\n"+variable+": ") || !strings.Contains(e.Message, variable+": ") {
					t.Errorf("the fault of %s is missing: logged %q, reported %q", variable, l.Faults, e.Message)
				}
			}
		})
	}
}

// authorize and provision refuse to start in direct mode, which does not use
// them.
func TestFunctionsOfBrokeredModeOnly(t *testing.T) {
	t.Parallel()
	w := newBrokeredWorld(t, "")
	for _, name := range []string{"authorize", "provision"} {
		for _, mode := range []string{"brokered", "direct"} {
			w.env["AUTHORIZATION"], w.env["LAMBDA_ENDPOINT"] = mode, w.pool
			_, err := w.function(name).Start(t.Context())
			if refused := err != nil && strings.Contains(err.Error(), "AUTHORIZATION: "); refused != (mode == "direct") {
				t.Errorf("%s with AUTHORIZATION=%s: %v", name, mode, err)
			}
		}
	}
}

// A process that cannot reach the runtime API exits, so that Lambda starts
// another.
func TestProcessThatCannotStartExitsNonZero(t *testing.T) {
	t.Parallel()
	f := start(t, "metadata", map[string]string{"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1"}, 0)
	_, err := f.Start(t.Context())
	e, ok := errors.AsType[*lambdaruntime.Error](err)
	if !ok || e.Type != "Runtime.ExitError" || e.Message != "Runtime exited with error: exit status 1" {
		t.Errorf("error = %v, want exit status 1", err)
	}
}

func TestTwoRequestsOnOneProcess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	f := w.function("metadata")
	for range 2 {
		checkAnswered(t, w, f)
	}
	if f.Starts() != 1 {
		t.Errorf("%d processes, want 1", f.Starts())
	}
	f.Close()
	if n := strings.Count(f.Logs(), "discovery document read"); n != 1 {
		t.Errorf("the pool's document was read %d times, want once for both requests:\n%s", n, f.Logs())
	}
}

// After Lambda has killed a process at its timeout, the next process works.
func TestAfterATimeoutTheNextProcessAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.configure()
	env := maps.Clone(w.env)
	f := start(t, "metadata", env, 5*time.Second)
	checkAnswered(t, w, f)
	if err := syscall.Kill(f.Pid(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	// The signal takes effect when the process is next scheduled.
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(f.Pid(), &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatalf("status %#x, %v, want a stopped process", status, err)
	}
	_, err := f.Invoke(t.Context(), w.payload("metadata-authorization-server"))
	if e, ok := errors.AsType[*lambdaruntime.Error](err); !ok || e.Type != "Sandbox.Timedout" {
		t.Errorf("error of a stopped process = %v, want a timeout", err)
	}
	checkAnswered(t, w, f)
	if f.Starts() != 2 {
		t.Errorf("%d processes, want 2", f.Starts())
	}
}

func checkAnswered(t *testing.T, w *world, f *lambdaruntime.Function) {
	t.Helper()
	out, err := f.Invoke(t.Context(), w.payload("metadata-authorization-server"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := lambdaruntime.ParseAnswer(out)
	if err != nil {
		t.Fatal(err)
	}
	if a.Status != 200 || !strings.Contains(string(a.Body), `"issuer":"https://auth.example.com"`) {
		t.Errorf("answer = %d %s, want the document", a.Status, a.Body)
	}
}

// payload returns an event as Lambda delivers it.
func (w *world) payload(name string) []byte {
	w.t.Helper()
	b := must.Marshal(w.t, w.event(name))
	return b
}

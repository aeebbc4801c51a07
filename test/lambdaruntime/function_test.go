package lambdaruntime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

// The test binary is its own bootstrap.
func TestMain(m *testing.M) {
	switch os.Getenv("BEHAVE") {
	case "":
		os.Exit(m.Run())
	case "exit":
		fmt.Fprintln(os.Stderr, "cannot start")
		os.Exit(3)
	case "report":
		report()
	case "hang":
		select {}
	}
	calls := 0
	lambda.Start(func(ctx context.Context, in map[string]string) (map[string]any, error) {
		calls++
		fmt.Fprintln(os.Stderr, "invoked to", in["do"])
		switch in["do"] {
		case "fail":
			return nil, errors.New("no luck")
		case "panic":
			panic("out of order")
		case "hang":
			select {}
		case "exit":
			os.Exit(4)
		}
		end, ok := ctx.Deadline()
		return map[string]any{"calls": calls, "pid": os.Getpid(), "left": time.Until(end), "deadline": ok, "home": os.Getenv("HOME"), "variable": os.Getenv("VARIABLE")}, nil
	})
}

func report() {
	url := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/init/error"
	req, _ := http.NewRequest("POST", url, strings.NewReader(`{"errorMessage":"ISSUER must be set","errorType":"Other"}`))
	req.Header.Set("Lambda-Runtime-Function-Error-Type", "Function.InvalidConfiguration")
	if res, err := http.DefaultClient.Do(req); err != nil || res.StatusCode != http.StatusAccepted {
		fmt.Fprintln(os.Stderr, "not accepted:", res, err)
	}
	os.Exit(1)
}

func function(t *testing.T, behave string, change func(*Config)) *Function {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Bootstrap: self, Env: []string{"BEHAVE=" + behave, "VARIABLE=set"}}
	if change != nil {
		change(&c)
	}
	f, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

type reply struct {
	Calls, Pid     int
	Left           time.Duration
	Deadline       bool
	Home, Variable string
}

func invoke(t *testing.T, f *Function, do string) (reply, error) {
	t.Helper()
	out, err := f.Invoke(t.Context(), []byte(`{"do":"`+do+`"}`))
	var r reply
	if err == nil {
		if err := json.Unmarshal(out, &r); err != nil {
			t.Fatalf("%v in %q", err, out)
		}
	}
	return r, err
}

func TestOneProcessAnswersManyEvents(t *testing.T) {
	f := function(t, "answer", func(c *Config) { c.Timeout = time.Minute })
	took, err := f.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if took <= 0 {
		t.Errorf("Start took %s, want a time", took)
	}
	if again, err := f.Start(t.Context()); again != 0 || err != nil {
		t.Errorf("Start while a process runs = %s, %v, want 0 and no error", again, err)
	}
	for i := 1; i <= 2; i++ {
		r, err := invoke(t, f, "answer")
		if err != nil {
			t.Fatal(err)
		}
		if r.Calls != i || r.Pid != f.Pid() {
			t.Errorf("call %d of process %d, want call %d of %d", r.Calls, r.Pid, i, f.Pid())
		}
		if !r.Deadline || r.Left > time.Minute || r.Left < 30*time.Second {
			t.Errorf("%s left (deadline %t), want the function's minute", r.Left, r.Deadline)
		}
		if r.Variable != "set" || r.Home != "" {
			t.Errorf("VARIABLE = %q, HOME = %q, want the function's environment and no inherited variables", r.Variable, r.Home)
		}
	}
	if f.Starts() != 1 {
		t.Errorf("%d processes, want 1", f.Starts())
	}
}

func TestFailures(t *testing.T) {
	for _, tt := range []struct {
		name, behave, do string
		want             Error
		starts           int // processes after one more event; 0 if the function cannot start
	}{
		{"the function reports an error", "answer", "fail", Error{"errorString", "no luck", false}, 1},
		{"the function panics", "answer", "panic", Error{"string", "out of order", false}, 2},
		{"the process exits at an event", "answer", "exit", Error{"Runtime.ExitError", "Runtime exited with error: exit status 4", false}, 2},
		{"the process exits before the first event", "exit", "", Error{"Runtime.ExitError", "Runtime exited with error: exit status 3", true}, 0},
		{"the process reports that it cannot start", "report", "", Error{"Function.InvalidConfiguration", "ISSUER must be set", true}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := function(t, tt.behave, nil)
			_, err := invoke(t, f, tt.do)
			checkError(t, err, tt.want)
			if tt.starts == 0 {
				return
			}
			if _, err := invoke(t, f, "answer"); err != nil {
				t.Errorf("the next event: %v", err)
			}
			if f.Starts() != tt.starts {
				t.Errorf("%d processes, want %d", f.Starts(), tt.starts)
			}
		})
	}
}

func TestTimeoutKillsTheProcess(t *testing.T) {
	f := function(t, "answer", func(c *Config) { c.Timeout = time.Second })
	if _, err := f.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := f.process
	_, err := invoke(t, f, "hang")
	checkError(t, err, Error{"Sandbox.Timedout", "Task timed out after 1s", false})
	if before.running() {
		t.Error("the process is still running")
	}
	if r, err := invoke(t, f, "answer"); err != nil || r.Calls != 1 || f.Starts() != 2 {
		t.Errorf("the next event: call %d, %d processes, %v; want the first call of a second process", r.Calls, f.Starts(), err)
	}
}

func TestStartTimesOut(t *testing.T) {
	f := function(t, "hang", func(c *Config) { c.InitTimeout = 100 * time.Millisecond })
	_, err := f.Start(t.Context())
	checkError(t, err, Error{"Sandbox.Timedout", "Task timed out after 100ms", true})
	if f.Pid() != 0 {
		t.Errorf("process %d is still running", f.Pid())
	}
}

func TestLogsSurviveProcesses(t *testing.T) {
	f := function(t, "answer", nil)
	invoke(t, f, "exit")
	invoke(t, f, "answer")
	f.Close()
	if got, want := f.Logs(), "invoked to exit\ninvoked to answer\n"; got != want {
		t.Errorf("Logs() = %q, want %q", got, want)
	}
	if _, err := invoke(t, f, "answer"); !errors.Is(err, ErrClosed) {
		t.Errorf("Invoke after Close = %v, want ErrClosed", err)
	}
}

func TestAnswerToAnotherEventIsRejected(t *testing.T) {
	a := newAPI()
	for _, path := range []string{"response", "error"} {
		r, _ := http.NewRequest("POST", "/2018-06-01/runtime/invocation/unknown/"+path, strings.NewReader("{}"))
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		if w.Code != http.StatusBadRequest {
			t.Errorf("%s: status = %d, want 400", path, w.Code)
		}
	}
}

func TestNewRequiresABootstrap(t *testing.T) {
	for _, path := range []string{"", "/nonexistent/bootstrap", t.TempDir()} {
		if _, err := New(Config{Bootstrap: path}); err == nil {
			t.Errorf("New with bootstrap %q: no error", path)
		}
	}
}

func checkError(t *testing.T, err error, want Error) {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok || *e != want {
		t.Errorf("error = %#v, want %#v", err, want)
	}
}

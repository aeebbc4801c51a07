package lambdaruntime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// Config describes the function.
type Config struct {
	// Bootstrap is the path of the executable. REQUIRED.
	Bootstrap string
	// Env is the function's environment, in the form of os.Environ. It does not
	// inherit from the environment of this process.
	Env []string
	// Timeout limits an invocation. 0 means 3 seconds, as in Lambda.
	Timeout time.Duration
	// InitTimeout limits the time until a process requests its first event. 0
	// means 10 seconds, as in Lambda.
	InitTimeout time.Duration
	// Ahead is how far the clock of the executable is ahead of this process's. The
	// deadlines that the function gets are by its own clock.
	Ahead time.Duration
}

// Function is a deployed function with at most one process. It is safe for
// concurrent use; invocations wait for each other.
type Function struct {
	cfg  Config
	logs logs

	mu      sync.Mutex
	process *process // nil if none runs
	starts  int
	serial  int
	closed  bool
}

// New returns a function whose process is started by Start or by the first
// Invoke.
func New(c Config) (*Function, error) {
	if info, err := os.Stat(c.Bootstrap); err != nil || info.IsDir() {
		return nil, fmt.Errorf("lambdaruntime: no bootstrap %q", c.Bootstrap)
	}
	if c.Timeout == 0 {
		c.Timeout = 3 * time.Second
	}
	if c.InitTimeout == 0 {
		c.InitTimeout = 10 * time.Second
	}
	return &Function{cfg: c}, nil
}

// Error is the failure of an invocation or of a process's start.
type Error struct {
	// Type is the type that the function reported, or one of Lambda's own:
	// Runtime.ExitError, Sandbox.Timedout.
	Type string `json:"errorType"`
	// Message is for a person.
	Message string `json:"errorMessage"`
	// Init is true if the process never requested an event.
	Init bool `json:"-"`
}

func (e *Error) Error() string { return e.Type + ": " + e.Message }

// ErrClosed is the error of a function after Close.
var ErrClosed = errors.New("lambdaruntime: closed")

// Start starts a process unless one is running, and waits until it requests an
// event. It returns the duration, including the creation of the process; 0 if a
// process was running. The error is an *Error if the function failed to start.
func (f *Function) Start(ctx context.Context) (time.Duration, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.start(ctx)
}

func (f *Function) start(ctx context.Context) (time.Duration, error) {
	if f.closed {
		return 0, ErrClosed
	}
	if f.process != nil && f.process.running() {
		return 0, nil
	}
	f.stop()
	p, err := newProcess(f.cfg, &f.logs)
	if err != nil {
		return 0, err
	}
	f.process = p
	f.starts++
	timeout := time.NewTimer(f.cfg.InitTimeout)
	defer timeout.Stop()
	select {
	case at := <-p.api.idle:
		return at.Sub(p.startedAt), nil
	case <-p.exited:
		err = p.exitError(true)
	case <-timeout.C:
		err = &Error{"Sandbox.Timedout", fmt.Sprintf("Task timed out after %s", f.cfg.InitTimeout), true}
	case <-ctx.Done():
		err = ctx.Err()
	}
	f.stop()
	return 0, err
}

// Invoke sends an event to the process, and starts one if none is running. It
// returns when the process requests the next event or has ended: for Lambda, an
// invocation is then complete. The error is an *Error if the function failed.
// On a timeout Invoke kills the process, and the next invocation starts a new
// one.
func (f *Function) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.start(ctx); err != nil {
		return nil, err
	}
	f.serial++
	inv := &invocation{
		id:       fmt.Sprintf("00000000-0000-4000-8000-%012d", f.serial),
		event:    event,
		deadline: time.Now().Add(f.cfg.Timeout + f.cfg.Ahead),
		done:     make(chan result, 1),
	}
	ctx, cancel := context.WithTimeoutCause(ctx, f.cfg.Timeout,
		&Error{"Sandbox.Timedout", fmt.Sprintf("Task timed out after %s", f.cfg.Timeout), false})
	defer cancel()
	r, ok := f.process.invoke(ctx, inv)
	if !ok {
		f.stop()
	}
	return r.payload, r.err
}

// stop kills the process, if one is running, and waits until it has ended.
func (f *Function) stop() {
	if f.process != nil {
		f.process.kill()
		f.process = nil
	}
}

// Close kills the process. After that Logs is complete.
func (f *Function) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stop()
	f.closed = true
}

// Pid returns the id of the running process, or 0.
func (f *Function) Pid() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.process == nil || !f.process.running() {
		return 0
	}
	return f.process.cmd.Process.Pid
}

// Starts returns how many processes have been started.
func (f *Function) Starts() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.starts
}

// Logs returns the output of all processes so far.
func (f *Function) Logs() string { return f.logs.String() }

package lambdaruntime

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// process is one run of the bootstrap. Each has its own runtime API, so that
// late requests of a killed process have no effect on the next one.
type process struct {
	cmd       *exec.Cmd
	server    *http.Server
	api       *api
	startedAt time.Time
	exited    chan struct{} // closed when the process has ended
	exit      error         // valid after exited is closed
}

func newProcess(c Config, out *logs) (*process, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("lambdaruntime: %w", err)
	}
	p := &process{api: newAPI(), exited: make(chan struct{})}
	p.server = &http.Server{Handler: p.api}
	go p.server.Serve(l)

	p.cmd = exec.Command(c.Bootstrap)
	p.cmd.Dir = filepath.Dir(c.Bootstrap) // as LAMBDA_TASK_ROOT is in Lambda
	p.cmd.Env = append([]string{"AWS_LAMBDA_RUNTIME_API=" + l.Addr().String()}, c.Env...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.startedAt = time.Now()
	if err := p.cmd.Start(); err != nil {
		p.server.Close()
		return nil, fmt.Errorf("lambdaruntime: %w", err)
	}
	go func() {
		p.exit = p.cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// invoke sends an event to the process and waits for the result. It returns
// false if the process cannot handle another event.
func (p *process) invoke(ctx context.Context, inv *invocation) (result, bool) {
	p.api.enqueue(inv)
	var r result
	select {
	case r = <-inv.done:
	case <-p.exited:
		select {
		case r = <-inv.done: // the result before the exit
			return r, false
		default:
			return result{err: p.exitError(false)}, false
		}
	case <-ctx.Done():
		return result{err: context.Cause(ctx)}, false
	}
	select {
	case <-p.api.idle:
		return r, true
	case <-p.exited:
		return r, false
	case <-ctx.Done():
		return result{err: context.Cause(ctx)}, false
	}
}

func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

func (p *process) kill() {
	p.cmd.Process.Kill() // an error means that it has ended
	<-p.exited
	p.server.Close()
}

// exitError returns the error that the process reported, or else its exit
// status.
func (p *process) exitError(init bool) *Error {
	if e := p.api.initError(); init && e != nil {
		return e
	}
	message := "Runtime exited without providing a reason"
	if p.exit != nil {
		message = "Runtime exited with error: " + p.exit.Error()
	}
	return &Error{"Runtime.ExitError", message, init}
}

// logs is a buffer for concurrent use.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

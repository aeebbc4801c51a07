package lambdaruntime

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// invocation is one event that a process handles.
type invocation struct {
	id       string
	event    []byte
	deadline time.Time
	done     chan result // buffered, for one result
}

type result struct {
	payload []byte
	err     error
}

// maxPayload is a little more than Lambda's limit of an answer, in bytes.
const maxPayload = 7 << 20

// api is the runtime API of one process.
type api struct {
	mux   *http.ServeMux
	queue chan *invocation
	idle  chan time.Time // receives the time of each request for an event

	mu      sync.Mutex
	current *invocation // sent to the process, and not answered yet
	failed  *Error      // reported at init
}

func newAPI() *api {
	a := &api{mux: http.NewServeMux(), queue: make(chan *invocation, 1), idle: make(chan time.Time, 1)}
	const prefix = "/2018-06-01/runtime/"
	a.mux.HandleFunc("GET "+prefix+"invocation/next", a.next)
	a.mux.HandleFunc("POST "+prefix+"invocation/{id}/response", a.response)
	a.mux.HandleFunc("POST "+prefix+"invocation/{id}/error", a.failure)
	a.mux.HandleFunc("POST "+prefix+"init/error", a.initFailure)
	return a
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

// enqueue passes an invocation to the next request for one. There is at most
// one at a time.
func (a *api) enqueue(inv *invocation) { a.queue <- inv }

func (a *api) next(w http.ResponseWriter, r *http.Request) {
	select {
	case a.idle <- time.Now():
	default: // no receiver: the process has cancelled an earlier request
	}
	var inv *invocation
	select {
	case inv = <-a.queue:
	case <-r.Context().Done():
		return
	}
	a.mu.Lock()
	a.current = inv
	a.mu.Unlock()
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
	h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(inv.deadline.UnixMilli(), 10))
	h.Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:123456789012:function:local")
	h.Set("Lambda-Runtime-Trace-Id", "Root=1-6743a0c1-000000000000000000000000;Sampled=0")
	w.Write(inv.event)
}

func (a *api) response(w http.ResponseWriter, r *http.Request) {
	a.settle(w, r, func(body []byte) result { return result{payload: body} })
}

func (a *api) failure(w http.ResponseWriter, r *http.Request) {
	a.settle(w, r, func(body []byte) result { return result{err: reported(r, body, false)} })
}

// settle ends the current invocation, if the request has its id.
func (a *api) settle(w http.ResponseWriter, r *http.Request, f func([]byte) result) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPayload))
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", tooLarge.Error())
		return
	}
	if err != nil {
		return // the process has ended
	}
	a.mu.Lock()
	inv := a.current
	known := inv != nil && inv.id == r.PathValue("id")
	if known {
		a.current = nil
	}
	a.mu.Unlock()
	if !known {
		refuse(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
		return
	}
	accept(w)
	inv.done <- f(body)
}

func (a *api) initFailure(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPayload))
	if err != nil {
		return
	}
	a.mu.Lock()
	a.failed = reported(r, body, true)
	a.mu.Unlock()
	accept(w)
}

func (a *api) initError() *Error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.failed
}

// reported returns the error in the body. The header's type takes precedence.
func reported(r *http.Request, body []byte, init bool) *Error {
	e := &Error{Init: init}
	if err := json.Unmarshal(body, e); err != nil {
		e.Message = string(body)
	}
	if t := r.Header.Get("Lambda-Runtime-Function-Error-Type"); t != "" {
		e.Type = t
	}
	return e
}

func accept(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	io.WriteString(w, `{"status":"OK"}`)
}

func refuse(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"errorType": kind, "errorMessage": message})
}

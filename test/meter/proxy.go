// Package meter is a test kit: a proxy in front of a local DynamoDB that counts
// the capacity units which DynamoDB would charge. The emulators' own numbers do
// not follow its rules. The proxy also refuses items that are too large. Moto
// does not if a set grows, and refuses other writes already above 405,000 bytes
// as it counts them.
//
// To know an item before and after a write, the proxy reads it, so it passes on
// one request at a time. It repeats the caller's signature in the requests of its
// own: it works with emulators that do not check signatures, such as moto and
// DynamoDB local.
//
// It leaves out transactions, BatchWriteItem, PartiQL and local secondary
// indexes, and refuses requests for them: a number that is not counted would
// look like a low cost. The broker uses none of them. It also leaves out
// storage, backups and streams.
package meter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
)

// Call is a request to DynamoDB, and what it costs.
type Call struct {
	Operation string
	// Kind is the part of the partition key before the first "#", of all keys
	// that the request names or finds, in order and separated by commas. It is
	// empty for a Scan and for a Query without results.
	Kind string
	// Index is the index that a Query or Scan reads; "" for the table.
	Index string
	// Failed is the name of the error if DynamoDB refused the request.
	Failed string

	Read       float64        // read units
	Write      int            // write units of the table
	IndexWrite map[string]int // write units by index; no zeros
}

// Cost is the sum of the costs of calls.
type Cost struct {
	Calls       int
	Read, Write float64 // units; Write includes the indexes
}

// Sum returns the cost of calls.
func Sum(calls []Call) Cost {
	c := Cost{Calls: len(calls)}
	for _, call := range calls {
		c.Read += call.Read
		c.Write += float64(call.Write)
		for _, units := range call.IndexWrite {
			c.Write += float64(units)
		}
	}
	return c
}

func (c Call) String() string {
	var b strings.Builder
	b.WriteString(c.Operation)
	for _, s := range []struct{ before, text string }{{" of ", c.Kind}, {" on index ", c.Index}, {": ", c.Failed}} {
		if s.text != "" {
			b.WriteString(s.before + s.text)
		}
	}
	fmt.Fprintf(&b, ", %g read, %d write", c.Read, c.Write)
	if len(c.IndexWrite) > 0 {
		fmt.Fprintf(&b, ", %v in indexes", c.IndexWrite)
	}
	return b.String()
}

// Proxy is the handler between a program and a DynamoDB. It passes on requests to
// other services of an emulator, and does not log them. It is safe for concurrent
// use.
type Proxy struct {
	endpoint string
	client   *http.Client

	mu     sync.Mutex // held during an exchange
	tables map[string]*table
	calls  []Call
}

// New returns a proxy to the DynamoDB at the endpoint, an origin.
func New(endpoint string) *Proxy {
	return &Proxy{endpoint: endpoint, client: &http.Client{}, tables: make(map[string]*table)}
}

// Take returns the calls since the last Take, in order, and forgets them.
func (p *Proxy) Take() []Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	calls := p.calls
	p.calls = nil
	return calls
}

// ServeHTTP implements http.Handler. If the proxy cannot meter a request, it
// answers 400 with the reason and does not pass it on.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the caller has gone
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	x := &exchange{proxy: p, request: r, body: body}
	operation, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), target)
	if !ok {
		a, err := x.send(r.Header.Get("X-Amz-Target"), body)
		if err != nil {
			a = &answer{status: http.StatusBadGateway, body: []byte(err.Error())}
		}
		a.write(w)
		return
	}
	x.log.Operation = operation
	a, err := x.meter()
	if refused, ok := errors.AsType[*refusal](err); ok {
		a, err = refused.answer, nil
	}
	if err != nil {
		a = validation("meter: " + err.Error())
	}
	if a.status != http.StatusOK {
		x.log.Failed = a.errorType()
	}
	p.calls = append(p.calls, x.log)
	a.write(w)
}

const target = "DynamoDB_20120810."

// exchange is a request and what the proxy does for it.
type exchange struct {
	proxy   *Proxy
	request *http.Request
	body    []byte
	log     Call
}

// answer is DynamoDB's answer, or one of the proxy.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a *answer) write(w http.ResponseWriter) {
	for _, name := range []string{"Content-Type", "X-Amzn-Requestid", "X-Amz-Crc32"} {
		if v := a.header.Get(name); v != "" {
			w.Header().Set(name, v)
		}
	}
	w.WriteHeader(a.status)
	w.Write(a.body)
}

// errorType returns the name of an error without its namespace.
func (a *answer) errorType() string {
	var e struct {
		Type string `json:"__type"`
	}
	if err := json.Unmarshal(a.body, &e); err != nil || e.Type == "" {
		return fmt.Sprintf("status %d", a.status)
	}
	return e.Type[strings.LastIndex(e.Type, "#")+1:]
}

// refusal is an error answer of DynamoDB to a request of the proxy's own.
type refusal struct{ *answer }

func (r *refusal) Error() string { return r.errorType() }

func validation(message string) *answer {
	body, _ := json.Marshal(map[string]string{"__type": "com.amazon.coral.validate#ValidationException", "message": message})
	return &answer{http.StatusBadRequest, http.Header{"Content-Type": {"application/x-amz-json-1.0"}}, body}
}

// forward passes on the caller's request.
func (x *exchange) forward() (*answer, error) { return x.send(target+x.log.Operation, x.body) }

// call sends a request of the proxy's own.
func (x *exchange) call(operation string, in any) (*answer, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	return x.send(target+operation, body)
}

func (x *exchange) send(target string, body []byte) (*answer, error) {
	req, err := http.NewRequestWithContext(x.request.Context(), x.request.Method, x.proxy.endpoint+x.request.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header = x.request.Header.Clone()
	req.Header.Del("Accept-Encoding") // so that the transport decompresses
	req.Header.Set("X-Amz-Target", target)
	res, err := x.proxy.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	return &answer{res.StatusCode, res.Header, out}, err
}

package emulator

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	targetPrefix    = "AWSCognitoIdentityProviderService."
	maxControlBody  = 1 << 20
	callsPerSecond  = 5
	jsonContentType = "application/x-amz-json-1.1"
)

// operation is one operation of the control plane. run is called without a
// lock.
type operation struct {
	run     func(c *Cognito, body []byte) (any, *apiError)
	limited bool // to callsPerSecond
	public  bool // needs no AWS signature
}

// op makes an operation from a function that takes the decoded input.
func op[In, Out any](f func(*Cognito, In) (Out, *apiError)) operation {
	return operation{limited: true, run: func(c *Cognito, body []byte) (any, *apiError) {
		var in In
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, serializationError(err)
		}
		out, apiErr := f(c, in)
		if apiErr != nil {
			return nil, apiErr
		}
		return out, nil
	}}
}

func unlimited(o operation) operation { o.limited = false; return o }
func public(o operation) operation    { o.public = true; return unlimited(o) }

var operations = map[string]operation{
	"CreateUserPoolClient":                 op((*Cognito).createClient),
	"UpdateUserPoolClient":                 op((*Cognito).updateClient),
	"DescribeUserPoolClient":               op((*Cognito).describeClient),
	"DeleteUserPoolClient":                 op((*Cognito).deleteClient),
	"ListUserPoolClients":                  op((*Cognito).listClients),
	"AddUserPoolClientSecret":              op((*Cognito).addSecret),
	"ListUserPoolClientSecrets":            op((*Cognito).listSecrets),
	"DeleteUserPoolClientSecret":           op((*Cognito).deleteSecret),
	"DescribeUserPool":                     op((*Cognito).describePool),
	"DescribeUserPoolDomain":               op((*Cognito).describeDomain),
	"ListCIMDPolicies":                     op((*Cognito).listCIMDPolicies),
	"CreateResourceServer":                 op((*Cognito).createResourceServer),
	"UpdateResourceServer":                 op((*Cognito).updateResourceServer),
	"DescribeResourceServer":               op((*Cognito).describeResourceServer),
	"ListResourceServers":                  op((*Cognito).listResourceServers),
	"ListIdentityProviders":                op((*Cognito).listIdentityProviders),
	"CreateManagedLoginBranding":           op((*Cognito).createBranding),
	"DescribeManagedLoginBrandingByClient": op((*Cognito).describeBranding),
	"InitiateAuth":                         public(op((*Cognito).initiateAuth)),
	"AdminInitiateAuth":                    unlimited(op((*Cognito).adminInitiateAuth)),
}

func (c *Cognito) serveControl(w http.ResponseWriter, r *http.Request) {
	name, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), targetPrefix)
	o, known := operations[name]
	if !ok || !known {
		writeAPIError(w, apiErrorf("UnknownOperationException", "the local Cognito has no operation %q", r.Header.Get("X-Amz-Target")))
		return
	}
	c.count(name)
	serve := func(w http.ResponseWriter, r *http.Request) { c.runOperation(w, r, name, o) }
	fault, faulty := c.faults.take(name)
	if !faulty {
		serve(w, r)
		return
	}
	fault.serve(w, r, serve,
		func(w http.ResponseWriter) { writeAPIError(w, fault.apiError(name)) },
		func(w http.ResponseWriter) { writeAPIError(w, tooManyRequests()) })
}

func (f Fault) apiError(op string) *apiError {
	switch {
	case f.Exception != "":
		return apiErrorf(f.Exception, "injected fault")
	case strings.Contains(op, "ClientSecret"):
		// The operations on secrets have InternalServerException, all others
		// InternalErrorException.
		return apiErrorf("InternalServerException", "injected fault")
	}
	return apiErrorf("InternalErrorException", "injected fault")
}

func (c *Cognito) runOperation(w http.ResponseWriter, r *http.Request, name string, o operation) {
	if ct := r.Header.Get("Content-Type"); ct != jsonContentType {
		writeAPIError(w, apiErrorf("SerializationException", "Content-Type %q, want %s", ct, jsonContentType))
		return
	}
	if !o.public && !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ") {
		writeAPIError(w, apiErrorf("MissingAuthenticationTokenException", "Missing Authentication Token"))
		return
	}
	if o.limited && !c.admit(name) {
		writeAPIError(w, tooManyRequests())
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxControlBody))
	if err != nil {
		writeAPIError(w, serializationError(err))
		return
	}
	out, apiErr := o.run(c, body)
	if apiErr != nil {
		writeAPIError(w, apiErr)
		return
	}
	writeAPI(w, http.StatusOK, out)
}

func tooManyRequests() *apiError { return apiErrorf("TooManyRequestsException", "Rate exceeded") }

func serializationError(err error) *apiError {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return apiErrorf("SerializationException", "%s is a %s", e.Field, e.Value)
	}
	return apiErrorf("SerializationException", "%v", err)
}

// rate counts the calls of one operation in one second of the clock.
type rate struct {
	second int64
	calls  int
}

func (c *Cognito) admit(op string) bool {
	if c.cfg.NoRateLimit {
		return true
	}
	second := c.now().Unix()
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.rates[op]
	if r.second != second {
		r = rate{second: second}
	}
	if r.calls >= callsPerSecond {
		return false
	}
	r.calls++
	c.rates[op] = r
	return true
}

func writeAPI(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil { // cannot happen: v is always an output type of this package
		status, b = http.StatusInternalServerError, []byte(`{"__type":"InternalErrorException"}`)
	}
	w.Header().Set("Content-Type", jsonContentType)
	w.Header().Set("X-Amzn-RequestId", newUUID())
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

func writeAPIError(w http.ResponseWriter, e *apiError) {
	w.Header().Set("X-Amzn-ErrorType", e.name+":")
	writeAPI(w, e.status(), map[string]string{"__type": e.name, "message": e.message})
}

// empty is the output of operations without a result.
type empty struct{}

// epoch is a time in JSON 1.1: seconds since 1970, with milliseconds.
type epoch time.Time

func (e epoch) MarshalJSON() ([]byte, error) {
	return json.Marshal(float64(time.Time(e).UnixMilli()) / 1000)
}

package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// exchange is a request and its expected answer.
type exchange struct {
	name   string
	send   string   // method and path
	header []string // "Name: value"
	body   string

	status int
	// headers and members have patterns for the whole value; "" means absent. A
	// member that is not a string is compared in its JSON form.
	headers map[string]string
	members map[string]string
}

// run makes the exchanges in order.
func (d *deployment) run(t *testing.T, script []exchange) {
	t.Helper()
	for _, x := range script {
		t.Run(x.name, func(t *testing.T) { x.run(t, d) })
	}
}

func (x exchange) run(t *testing.T, d *deployment) answer {
	t.Helper()
	a := d.send(t, x.send, x.body, x.header...)
	if a.status != x.status {
		t.Fatalf("%s = %d %s, want %d", x.send, a.status, a.body, x.status)
	}
	for name, pattern := range x.headers {
		match(t, x.send+": header "+name, strings.Join(a.header.Values(name), ", "), pattern)
	}
	for name, pattern := range x.members {
		match(t, x.send+": member "+name, a.member(name), pattern)
	}
	return a
}

func match(t *testing.T, what, got, pattern string) {
	t.Helper()
	if !regexp.MustCompile(`^(?s:` + pattern + `)$`).MatchString(got) {
		t.Errorf("%s = %q, want %q", what, got, pattern)
	}
}

// answer is the response to a request.
type answer struct {
	status int
	header http.Header
	body   []byte
	object map[string]json.RawMessage // nil if the body is not a JSON object
}

// member returns a member: a string itself, another value as JSON; "" if it is
// missing.
func (a answer) member(name string) string {
	var s string
	if json.Unmarshal(a.object[name], &s) == nil {
		return s
	}
	return string(a.object[name])
}

// list returns a member that is an array of strings.
func (a answer) list(name string) []string {
	var l []string
	if json.Unmarshal(a.object[name], &l) != nil {
		return nil
	}
	return l
}

var client = adapter.WithoutRedirects(&http.Client{Timeout: 30 * time.Second})

// send makes a request, and checks the format of the answer.
func (d *deployment) send(t *testing.T, line, body string, header ...string) answer {
	t.Helper()
	a := d.fetch(t, line, body, header...)
	method, _, _ := strings.Cut(line, " ")
	a.checkFormat(t, line, method)
	return a
}

// fetch makes a request, to an endpoint or for a page.
func (d *deployment) fetch(t *testing.T, line, body string, header ...string) answer {
	t.Helper()
	res, err := client.Do(d.newRequest(t, line, body, header...))
	if err != nil {
		t.Fatal(err)
	}
	return answerOf(t, line, res)
}

func (d *deployment) newRequest(t *testing.T, line, body string, header ...string) *http.Request {
	t.Helper()
	method, path, _ := strings.Cut(line, " ")
	req := must.Request(t, method, d.base+path, body)
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Add(name, value)
	}
	return req
}

// answerOf reads an answer.
func answerOf(t *testing.T, line string, res *http.Response) answer {
	t.Helper()
	defer res.Body.Close()
	a := answer{status: res.StatusCode, header: res.Header}
	var err error
	if a.body, err = io.ReadAll(res.Body); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	if bytes.HasPrefix(a.body, []byte("{")) {
		a.object = object(t, string(a.body))
	}
	return a
}

// object reads a JSON object.
func object(t *testing.T, body string) map[string]json.RawMessage {
	t.Helper()
	var o map[string]json.RawMessage
	if err := json.Unmarshal([]byte(body), &o); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return o
}

// checkFormat checks that scripts from any origin may read the answer, and that
// an error has the format of OAuth, for any path and method.
func (a answer) checkFormat(t *testing.T, line, method string) {
	t.Helper()
	match(t, line+": header Access-Control-Allow-Origin", a.header.Get("Access-Control-Allow-Origin"), `\*`)
	if a.status < 400 || method == http.MethodHead {
		return
	}
	match(t, line+": header Content-Type", a.header.Get("Content-Type"), "application/json")
	match(t, line+": header Cache-Control", a.header.Get("Cache-Control"), "no-store")
	// Some errors of Cognito have no description, and are passed on unchanged.
	for _, name := range []string{"error", "request_id"} {
		match(t, fmt.Sprintf("%s = %d: member %s", line, a.status, name), a.member(name), "[ -~]+")
	}
}

const (
	jsonBody = "Content-Type: application/json"
	formBody = "Content-Type: application/x-www-form-urlencoded"
)

func bearer(token string) string { return "Authorization: Bearer " + token }

func basic(id, secret string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
}

// registration is a registered client.
type registration struct {
	answer
	id, secret  string
	path, token string // of the client configuration endpoint; empty without one
}

// register registers a client, and deletes it when the test ends.
func (d *deployment) register(t *testing.T, body string, header ...string) *registration {
	t.Helper()
	a := exchange{
		send: "POST /register", header: append(header, jsonBody), body: body, status: http.StatusCreated,
		headers: map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store"},
	}.run(t, d)
	return d.registered(t, a, len(header) == 0)
}

// registerManaged registers a client that gets a registration access token. In
// brokered mode this takes an initial access token.
func (d *deployment) registerManaged(t *testing.T, body string) *registration {
	t.Helper()
	if !d.brokered() {
		return d.register(t, body)
	}
	d.needsInitialAccessToken(t)
	return d.register(t, body, bearer(d.initialAccessToken))
}

// registered decodes the answer to a registration, and deletes the client when
// the test ends. In brokered mode an open registration cannot be deleted,
// because other clients may share it; it expires.
func (d *deployment) registered(t *testing.T, a answer, openly bool) *registration {
	t.Helper()
	r := &registration{answer: a, id: a.member("client_id"), secret: a.member("client_secret"), token: a.member("registration_access_token")}
	uri := a.member("registration_client_uri")
	if r.id == "" || (uri == "") != (r.token == "") {
		t.Fatalf("POST /register = %s, want a client_id, and registration_client_uri with registration_access_token", a.body)
	}
	if shared := d.brokered() && openly; shared != (uri == "") {
		t.Fatalf("registration_client_uri = %q, want one = %t", uri, !shared)
	}
	if d.brokered() {
		match(t, "client_id", r.id, "dcr_[a-z2-7]{26}")
	}
	if uri == "" {
		return r
	}
	var ok bool
	if r.path, ok = strings.CutPrefix(uri, d.base); !ok {
		t.Fatalf("registration_client_uri = %q, want it to begin with %s", uri, d.base)
	}
	d.deleteAfter(t, r)
	return r
}

// remove deletes the client, if it still exists. It does not use the context of
// the test, which has ended.
func (r *registration) remove(d *deployment) error {
	req, err := http.NewRequest(http.MethodDelete, d.base+r.path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+r.token)
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	res.Body.Close()
	if res.StatusCode != http.StatusNoContent && res.StatusCode != http.StatusUnauthorized {
		return fmt.Errorf("DELETE %s = %s; the client is left behind", r.path, res.Status)
	}
	return nil
}

// deleteAfter deletes the client when the test ends.
func (d *deployment) deleteAfter(t *testing.T, r *registration) {
	t.Cleanup(func() {
		err := r.remove(d)
		if d.stack != nil {
			// The sweep frees its branding style.
			err = errors.Join(err, d.stack.Sweep(context.Background()))
		}
		if err != nil {
			t.Error(err)
		}
	})
}

const publicClient = `{"client_name":"e2e","redirect_uris":["http://127.0.0.1:33418/callback"],"token_endpoint_auth_method":"none"}`

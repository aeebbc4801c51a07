package functions

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/test/lambdaruntime"
	"github.com/dcr-broker/dcr-broker/test/must"
	"github.com/go-jose/go-jose/v4"
)

// journal is a log whose new lines a test can read.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

// next returns the text that was written since the last call.
func (j *journal) next() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	defer j.text.Reset()
	return j.text.String()
}

// Every kind of secret passes through every route, in its own place and in
// other places. It passes in requests that succeed, in requests that Cognito
// refuses, and in answers of Cognito that repeat the request. The log, at the
// level debug, has none of the secrets.
func TestNoSecretIsLogged(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		world func(*testing.T, string) *world
		steps []step
		extra func(*world, http.Handler)
		kinds []string
	}{
		{"direct", newWorld, steps, (*world).manageConfidentialClients, []string{
			"initial access token", "JWT of a token issuer", "software_statement", "registration_access_token", "client_secret", "code", "code_verifier",
			"access_token", "refresh_token", "id_token", "Cognito's client_secret", "Cognito's code", "Cognito's refresh_token", "Cognito's password",
		}},
		{"brokered", newBrokeredWorld, brokeredSteps, (*world).authorizeWithNonce, []string{
			"initial access token", "JWT of a token issuer", "software_statement", "registration_access_token", "client_secret", "code", "code_verifier", "state",
			"access_token", "refresh_token", "cookie", "csrf", "key", "nonce",
			"Cognito's client_secret", "Cognito's code", "Cognito's code_verifier", "Cognito's state", "Cognito's access_token",
			"Cognito's refresh_token", "Cognito's id_token", "Cognito's password",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, log := tt.world(t, ""), new(journal)
			w.log = slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			ci := trustedIssuer(t, w)
			w.collectKeys()
			h := w.handler()
			w.handlerAnswers(h, tt.steps)
			tt.extra(w, h)
			registerWithJWTs(w, h, ci)

			secrets := w.collected.byKind()
			for _, kind := range tt.kinds {
				if len(secrets[kind]) == 0 {
					t.Errorf("no %s was in a request or answer", kind)
				}
			}
			written := log.next()
			w.checkLog(written)
			if n := strings.Count(written, `"msg":"answered"`); n < len(tt.steps) {
				t.Errorf("%d lines of answers, want at least one for each of %d steps", n, len(tt.steps))
			}
			if !strings.Contains(written, `"msg":"audit"`) {
				t.Error("there is no audit trail")
			}
			w.misplaceSecrets(h, log, secrets)
			if tt.name == "brokered" {
				w.echoSecrets(h, log)
			}
		})
	}
}

// checkLog checks that the log has none of the secrets so far.
func (w *world) checkLog(written string) {
	w.t.Helper()
	for kind, all := range w.collected.byKind() {
		for _, s := range all {
			if how := leak(written, s); how != "" {
				w.t.Errorf("%s is in the log, %s: %s", kind, how, lineWith(written, s))
			}
		}
	}
}

// echoSecrets makes Cognito repeat the broker's requests in its answers. They
// have secrets that only the broker has. (In direct mode the broker sends only
// what the client has sent.)
func (w *world) echoSecrets(h http.Handler, log *journal) {
	t := w.t
	t.Helper()
	r := registration{id: w.real[exampleClient], redirectURI: redirectURI}
	send := func(echo int32, method, path string, form url.Values) *lambdaruntime.Answer {
		t.Helper()
		req := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
		if form != nil {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		req.Header.Set("Cookie", "__Host-dcr_tx_"+w.real[exampleID]+"="+w.real[exampleCookie])
		rec := httptest.NewRecorder()
		w.control.echo.Store(echo)
		h.ServeHTTP(rec, req)
		w.control.echo.Store(noEcho)
		written := log.next()
		if echo != noEcho && !strings.Contains(written, `"cognito_oauth":{"calls":`) {
			t.Errorf("%s %s led to no request to Cognito: %s", method, path, written)
		}
		w.checkLog(written)
		return &lambdaruntime.Answer{Status: rec.Code, Header: rec.Header(), Body: rec.Body.Bytes()}
	}
	signIn := func() string {
		t.Helper()
		extractTransaction(w, send(noEcho, "GET", r.authorizePath(), nil))
		w.signInAtCognito()
		return "/callback?" + url.Values{"code": {w.real[exampleCode]}, "state": {w.real[exampleState]}}.Encode()
	}
	for echo := int32(echoRefusal); echo < echoes; echo++ {
		send(echo, "GET", signIn(), nil)

		send(noEcho, "GET", signIn(), nil)
		extractCSRF(w, send(noEcho, "GET", "/consent?transaction="+w.real[exampleID], nil))
		extractCode(w, send(noEcho, "POST", "/authorize", url.Values{"transaction": {w.real[exampleID]}, "csrf": {w.real[exampleCSRF]}, "decision": {"allow"}}))
		var tokens map[string]any
		a := send(noEcho, "POST", "/token", url.Values{
			"grant_type": {"authorization_code"}, "client_id": {r.id}, "code": {w.real[exampleCode]}, "redirect_uri": {redirectURI}, "code_verifier": {verifier},
		})
		if err := json.Unmarshal(a.Body, &tokens); err != nil || text(tokens, "refresh_token") == "" {
			t.Fatalf("POST /token = %d %s (%v)", a.Status, a.Body, err)
		}
		send(echo, "POST", "/token", url.Values{"grant_type": {"refresh_token"}, "client_id": {r.id}, "refresh_token": {text(tokens, "refresh_token")}})
		if echo != echoRefusal { // the refusal has ended the grant
			send(echo, "POST", "/revoke", url.Values{"client_id": {r.id}, "token": {text(tokens, "refresh_token")}})
		}
	}
}

// lineWith returns the line of text that has the secret.
func lineWith(text, secret string) string {
	for line := range strings.Lines(text) {
		if leak(line, secret) != "" {
			return line
		}
	}
	return "over several lines"
}

// misplaceSecrets sends a secret of each kind in each place of a request to each
// route.
func (w *world) misplaceSecrets(h http.Handler, log *journal, secrets map[string][]string) {
	t := w.t
	t.Helper()
	sent := 0
	for _, echo := range []int32{noEcho, echoRefusal} {
		w.control.echo.Store(echo)
		for _, kind := range slices.Sorted(maps.Keys(secrets)) {
			s := slices.MaxFunc(secrets[kind], func(a, b string) int { return len(a) - len(b) }) // those that the test invents are short
			for _, r := range w.requestsWith(s) {
				h.ServeHTTP(httptest.NewRecorder(), r)
				written := log.next()
				if sent++; !strings.Contains(written, `"msg":"answered"`) {
					t.Errorf("%s %s: no line in the log", r.Method, r.URL.Path)
				}
				if how := leak(written, s); how != "" {
					t.Errorf("%s in %s %s is in the log, %s: %s", kind, r.Method, r.URL, how, lineWith(written, s))
				}
			}
		}
	}
	w.control.echo.Store(noEcho)
	if sent < 1000 {
		t.Errorf("%d requests, want at least 1000", sent)
	}
}

// places are methods and paths of all routes. * stands for any segment.
var places = []struct{ method, path string }{
	{"POST", "/register"}, {"GET", "/register"}, {"GET", "/register/*"}, {"PUT", "/register/*"}, {"DELETE", "/register/*"}, {"POST", "/register/*"},
	{"POST", "/token"}, {"GET", "/token"}, {"POST", "/revoke"}, {"POST", "/introspect"}, {"GET", "/introspect"},
	{"GET", "/authorize"}, {"POST", "/authorize"}, {"GET", "/callback"}, {"GET", "/consent"}, {"GET", "/signed-out"}, {"GET", "/assets/*"},
	{"GET", "/.well-known/oauth-authorization-server"}, {"GET", "/.well-known/oauth-protected-resource/*"}, {"GET", "/*"}, {"POST", "/*"},
}

// fields are the parameters of requests, except redirect_uri: the broker logs a
// redirect URI that it refuses, so that operators can explain the refusal.
var fields = []string{
	"client_id", "client_secret", "code", "code_verifier", "refresh_token", "token", "state", "transaction", "csrf", "error", "error_description", "grant_type", "resource", "scope",
	"registration_access_token", "software_statement", "access_token", "id_token", "nonce", "decision", "prompt", "login_hint", "unheard_of",
}

// requestsWith returns requests that have the secret in every possible place.
func (w *world) requestsWith(secret string) []*http.Request {
	var all []*http.Request
	add := func(method, path string, body any, header ...string) {
		path = strings.Replace(path, "*", url.PathEscape(secret), 1)
		var r *http.Request
		switch b := body.(type) {
		case url.Values:
			r = httptest.NewRequest(method, path, strings.NewReader(b.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		case string:
			r = httptest.NewRequest(method, path, strings.NewReader(b))
			r.Header.Set("Content-Type", "application/json")
		default:
			r = httptest.NewRequest(method, path, nil)
		}
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		all = append(all, r)
	}
	known := w.real[exampleClient]
	everywhere := url.Values{}
	for _, f := range fields {
		everywhere.Set(f, secret)
	}
	for _, p := range places {
		path := strings.Replace(p.path, "*", known, 1)
		add(p.method, p.path, nil)
		add(p.method, path+"?"+everywhere.Encode(), nil)
		add(p.method, path, everywhere)
		add(p.method, path, `{"client_id":`+quote(known)+`,"software_statement":`+quote(secret)+`,"registration_access_token":`+quote(secret)+`}`)
		add(p.method, path, secret)
		add(p.method, path, nil, "Authorization", "Bearer "+oneLine(secret), "Cookie", "__Host-dcr_tx_"+url.QueryEscape(secret)+"="+url.QueryEscape(secret)+"; dcr_tx_"+exampleID+"="+url.QueryEscape(secret))
		add(p.method, path, url.Values{"grant_type": {"authorization_code"}, "token": {secret}}, "Authorization", basic(known, secret))
		add(p.method, path, url.Values{"token": {secret}}, "Authorization", basic(secret, secret))
		add(p.method, path, url.Values{"token": {secret}}, "Authorization", basic(introspectionID, secret))
		add(p.method, path, nil, "Authorization", oneLine(secret))
	}
	for _, f := range fields {
		form := url.Values{
			"grant_type": {"authorization_code"}, "client_id": {known}, "code": {"x"}, "redirect_uri": {redirectURI}, "code_verifier": {verifier},
			"response_type": {"code"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"},
		}
		form.Set(f, secret)
		add("POST", "/token", form)
		add("GET", "/authorize?"+form.Encode(), nil)
		form.Set("grant_type", "refresh_token")
		if f != "refresh_token" {
			form.Set("refresh_token", "x")
		}
		add("POST", "/token", form)
		form.Set(f, secret)
		form.Add(f, secret)
		add("POST", "/token", form)
		add("POST", "/revoke", form)
		add("GET", "/callback?"+form.Encode(), nil, "Cookie", "__Host-dcr_tx_"+exampleID+"="+exampleCookie)
	}
	return all
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// oneLine returns s without line ends, which a header cannot have.
func oneLine(s string) string { return strings.NewReplacer("\n", "", "\r", "").Replace(s) }

// manageConfidentialClients registers, manages and uses confidential clients,
// which the steps do not.
func (w *world) manageConfidentialClients(h http.Handler) {
	t := w.t
	t.Helper()
	for range 2 {
		got := w.do(h, "POST", "/register", strings.Replace(confidentialMetadata, "{", `{"redirect_uris":["`+siteURI+`"],`, 1), "Bearer "+w.real[exampleInitial], http.StatusCreated)
		id, secret, rat := text(got, "client_id"), text(got, "client_secret"), text(got, "registration_access_token")
		w.do(h, "GET", "/register/"+id, nil, "Bearer "+rat, http.StatusOK)
		body := map[string]any{"client_id": id, "client_secret": secret, "client_name": "Renamed", "redirect_uris": []string{siteURI}, "token_endpoint_auth_method": "client_secret_basic"}
		wrong := maps.Clone(body)
		wrong["client_secret"] = "not-the-secret-of-this-client"
		w.do(h, "PUT", "/register/"+id, mustJSON(t, wrong), "Bearer "+rat, http.StatusBadRequest)
		next := text(w.do(h, "PUT", "/register/"+id, mustJSON(t, body), "Bearer "+rat, http.StatusOK), "registration_access_token")
		w.do(h, "GET", "/register/"+id, nil, "Bearer "+next, http.StatusOK)
		w.do(h, "GET", "/register/"+id, nil, "Bearer "+rat, http.StatusUnauthorized)
		w.do(h, "POST", "/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"no-such-refresh-token"}}, basic(id, secret), http.StatusBadRequest)
		w.do(h, "POST", "/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"no-such-refresh-token"}}, basic(id, "not-the-secret-of-this-client"), http.StatusUnauthorized)
		w.do(h, "DELETE", "/register/"+id, nil, "Bearer "+next, http.StatusNoContent)
	}
	machine := w.do(h, "POST", "/register", machineMetadata, "Bearer "+w.real[exampleInitial], http.StatusCreated)
	w.do(h, "POST", "/token", url.Values{"grant_type": {"client_credentials"}, "scope": {"mcp/read"}}, basic(text(machine, "client_id"), text(machine, "client_secret")), http.StatusOK)
}

// authorizeWithNonce is manageConfidentialClients and an authorization request
// with a nonce, which the steps of brokered mode do not have.
func (w *world) authorizeWithNonce(h http.Handler) {
	w.t.Helper()
	w.manageConfidentialClients(h)
	r := registration{id: w.real[exampleClient], redirectURI: redirectURI}
	w.do(h, "GET", r.authorizePath()+"&nonce=n-0S6_WzA2Mj-of-the-client", nil, "", http.StatusSeeOther)
}

// do sends a request to a handler, checks the status, and returns the members of
// the answer.
func (w *world) do(h http.Handler, method, path string, body any, authorization string, status int) map[string]any {
	w.t.Helper()
	var sent io.Reader
	kind := ""
	switch b := body.(type) {
	case url.Values:
		sent, kind = strings.NewReader(b.Encode()), "application/x-www-form-urlencoded"
	case string:
		sent, kind = strings.NewReader(b), "application/json"
	}
	r := httptest.NewRequest(method, path, sent)
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	if rec.Code != status {
		w.t.Errorf("%s %s = %d %s, want %d", method, path, rec.Code, rec.Body, status)
	}
	var members map[string]any
	json.Unmarshal(rec.Body.Bytes(), &members)
	return members
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	b := must.Marshal(t, v)
	return string(b)
}

// issuer is an issuer of JWTs that the configuration trusts.
type issuer struct {
	*httptest.Server
	signer jose.Signer
}

// trustedIssuer starts an issuer, and adds it to w's configuration as a trusted
// one.
func trustedIssuer(t *testing.T, w *world) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i := new(issuer)
	if i.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "k"}}, nil); err != nil {
		t.Fatal(err)
	}
	i.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/keys" {
			json.NewEncoder(rw).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: "k", Algorithm: "ES256", Use: "sig"}}})
			return
		}
		json.NewEncoder(rw).Encode(map[string]string{"issuer": i.URL, "jwks_uri": i.URL + "/keys"})
	}))
	t.Cleanup(i.Close)

	w.document["profiles"].(object)["ci"] = object{
		"redirect_uris": object{"any_https": true}, "token_endpoint_auth_methods": []string{"client_secret_basic"}, "software_statements": "accept",
	}
	w.document["token_issuers"] = []object{{
		"name": "ci", "issuer": i.URL, "audience": "https://auth.example.com", "claims": object{"repository": "octo-org/octo-repo"}, "profile": "ci", "max_uses": 1,
	}}
	w.document["statement_issuers"] = []object{{"issuer": i.URL}}
	return i
}

func (i *issuer) sign(t *testing.T, claims map[string]any) string {
	t.Helper()
	claims["iss"] = i.URL
	jws, err := i.signer.Sign([]byte(mustJSON(t, claims)))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// registerWithJWTs registers with JWTs and software statements of the issuer,
// valid and invalid ones.
func registerWithJWTs(w *world, h http.Handler, ci *issuer) {
	t := w.t
	t.Helper()
	claims := func(id, repository string) map[string]any {
		return map[string]any{
			"sub": "job " + id, "jti": id, "aud": "https://auth.example.com", "repository": repository,
			"iat": time.Now().Unix(), "exp": time.Now().Add(5 * time.Minute).Unix(),
		}
	}
	statement := ci.sign(t, map[string]any{"client_name": "Stated", "software_id": "app"})
	body := fmt.Sprintf(`{"redirect_uris":[%q],"software_statement":%q}`, siteURI, statement)
	forged := body[:strings.LastIndexByte(body, '.')] + `.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`
	good := ci.sign(t, claims("1", "octo-org/octo-repo"))
	w.do(h, "POST", "/register", body, "Bearer "+good, http.StatusCreated)
	w.do(h, "POST", "/register", body, "Bearer "+good, http.StatusUnauthorized) // spent
	w.do(h, "POST", "/register", body, "Bearer "+ci.sign(t, claims("2", "evil/repo")), http.StatusForbidden)
	w.do(h, "POST", "/register", forged, "Bearer "+ci.sign(t, claims("3", "octo-org/octo-repo")), http.StatusBadRequest)
	w.do(h, "POST", "/register", body, "Bearer "+good[:len(good)-8]+"AAAAAAAA", http.StatusUnauthorized)
}

// collectKeys adds the broker's keys to the collected secrets.
func (w *world) collectKeys() {
	w.t.Helper()
	if w.env["KEYS"] == "" {
		return
	}
	b := must.ReadFile(w.t, w.env["KEYS"])
	var doc struct {
		Keys map[string]string
		MAC  string
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		w.t.Fatal(err)
	}
	w.collected.add("key", doc.MAC)
	for _, key := range doc.Keys {
		w.collected.add("key", key)
	}
}

// leak finds a secret in every form.
func TestASecretInALogIsFound(t *testing.T) {
	const secret = `dcr_rt_"quoted" and & escaped, and long enough to be cut`
	sum := sha256.Sum256([]byte(secret))
	for _, line := range []string{
		secret, "error: " + secret + " is not valid", quote("x" + secret), "/token?refresh_token=" + url.QueryEscape(secret),
		base64.StdEncoding.EncodeToString([]byte(secret)), secret[20:], hex.EncodeToString(sum[:]),
	} {
		if leak(line, secret) == "" {
			t.Errorf("the secret was not found in %q", line)
		}
	}
	for _, line := range []string{"", "dcr_rt_", secret[:20]} {
		if how := leak(line, secret); how != "" {
			t.Errorf("%q = %s, want no secret", line, how)
		}
	}
}

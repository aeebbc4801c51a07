package devstack

import (
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// hostilePaths are paths of each route, and of none.
var hostilePaths = map[string][]string{
	"/register":             {"/register", "/register/", "/register//"},
	"/register/{client_id}": {"/register/dcr_aaaaaaaaaaaaaaaaaaaaaaaaaa", "/register/%00", "/register/%ff%fe", "/register/https:%2F%2Fapp.example%2Fclient", "/register/" + strings.Repeat("a", 3000)},
	"/token":                {"/token"},
	"/revoke":               {"/revoke"},
	"/introspect":           {"/introspect"},
	"/authorize":            {"/authorize"},
	"/callback":             {"/callback"},
	"/consent":              {"/consent"},
	"/signed-out":           {"/signed-out"},
	"/assets/{proxy+}":      {"/assets/", "/assets/a.svg", "/assets/%2e%2e/%2e%2e/etc/passwd", "/assets/a/b/c"},
	"$default": {"/", "//", "/%", "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration", "/.well-known/oauth-protected-resource",
		"/.well-known/oauth-protected-resource/%00", "/.well-known/oauth-protected-resource/mcp", "/a/.well-known/oauth-authorization-server", "/wp-login.php"},
}

// hostileParameters are sent as a query and as a form.
func hostileParameters() []string {
	long := strings.Repeat("a", 6000)
	parameters := []string{
		"", "%", "%zz=%zz", "&&&===", "\xff=\xfe", "a=%00", long, "state", "problem", "problem=", "problem=nonsense", "problem=internal&problem=internal",
		"denied=access_denied", "denied=access_denied&transaction=x", "denied=%00&transaction=%00", "error=access_denied&state=x", "error=server_error", "error=%00&state=%00",
		"code=x", "code=x&state=x", "code=" + long[:2000] + "&state=" + long[:2000], "state=%ff%fe&code=%ff",
		"client_id=x", "client_id=%00", "client_id=https://app.example/client.json", "client_id=dcr_aaaaaaaaaaaaaaaaaaaaaaaaaa&redirect_uri=%00", "client_id=a&client_id=b",
		"transaction=x", "transaction=%00", "decision=allow", "decision=allow&transaction=x&csrf=x", "decision=%00",
		"token=x", "token=%00&token_type_hint=%00", "token=a.b.c", "token=eyJhbGciOiJub25lIn0.e30.", "token=dcr_rt_" + long[:78], "token=x&client_id=x&client_secret=x",
		"grant_type=authorization_code", "grant_type=authorization_code&code=x&client_id=x", "grant_type=refresh_token&refresh_token=x&client_id=x", "grant_type=client_credentials",
		"grant_type=client_credentials&client_id=x&client_secret=x", "grant_type=%00", "grant_type=password&username=a&password=b", "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion=x",
		"grant_type=refresh_token&refresh_token=dcr_rt_" + long[:78] + "&client_id=dcr_aaaaaaaaaaaaaaaaaaaaaaaaaa&resource=%zz", "grant_type=authorization_code&client_id=https://app.example/c&code=x",
	}
	const authorize = "client_id=CLIENT&redirect_uri=http://127.0.0.1/cb&response_type=code&code_challenge_method=S256&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	for _, more := range []string{
		"", "&scope=%00", "&scope=openid+x", "&resource=%zz", "&resource=https://evil.example/mcp", "&state=" + long[:3000], "&prompt=none", "&prompt=x", "&request=a.b.c",
		"&response_mode=form_post", "&claims={", "&ui_locales=" + long[:500], "&max_age=-1", "&login_hint=%ff", "&nonce=%00", "&redirect_uri=http://127.0.0.1/cb",
	} {
		parameters = append(parameters, authorize+more)
	}
	for _, grant := range []string{
		"authorization_code&code=x&redirect_uri=http://127.0.0.1/cb&code_verifier=" + long[:43], "authorization_code&code=%00&code_verifier=%ff", "refresh_token&refresh_token=x",
		"refresh_token&refresh_token=dcr_rt_" + long[:78], "refresh_token&refresh_token=" + long[:5000], "client_credentials", "client_credentials&client_secret=x&scope=%00",
	} {
		parameters = append(parameters, "client_id=CLIENT&grant_type="+grant)
	}
	parameters = append(parameters, "client_id=CLIENT&token=x", "client_id=CLIENT&token=a.b.c", "client_id=CLIENT&token=dcr_rt_"+long[:78], "client_id=CLIENT&client_secret=x&token=x")
	// The names of problems are those that the broker itself puts into the address.
	for _, problem := range []string{"internal", "bad_request", "bad_redirect_uri", "unknown_client", "not_approved", "expired", "other_browser"} {
		parameters = append(parameters, "problem="+problem)
	}
	return parameters
}

var hostileBodies = []string{
	"", "null", "[]", "{}", "{", `"`, "\x00", "\xff\xfe", strings.Repeat("[", 5000), strings.Repeat("a", 70000), `{"redirect_uris":null}`, `{"redirect_uris":"x"}`, `{"redirect_uris":[1]}`,
	`{"redirect_uris":["http://127.0.0.1/\u0000"]}`, `{"redirect_uris":["http://127.0.0.1/cb"],"client_name":"\ud800"}`, `{"redirect_uris":["http://127.0.0.1/cb"],"jwks":{"keys":[{}]}}`,
	`{"redirect_uris":["http://127.0.0.1/cb"],"jwks":{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}}`, `{"redirect_uris":["http://127.0.0.1/cb"],"software_statement":"a.b.c"}`,
	`{"redirect_uris":["http://127.0.0.1/cb"],"software_statement":"eyJhbGciOiJub25lIn0.e30."}`, `{"client_id":"x","redirect_uris":["http://127.0.0.1/cb"]}`,
	`{"redirect_uris":["https://%zz/"]}`, `{"redirect_uris":["https://[::1/"]}`, `{"redirect_uris":["http://127.0.0.1/cb"],"redirect_uris":["http://127.0.0.1/cb"]}`,
	`{"redirect_uris":["http://127.0.0.1/cb"],"client_name":"` + strings.Repeat("a", 40000) + `"}`, `{"redirect_uris":["http://127.0.0.1/cb"],"grant_types":["x"]}`,
}

// hostileCallbacks are queries of callbacks with the state of a sign-in that has
// begun.
var hostileCallbacks = []string{
	"code=x", "code=%00", "code=" + strings.Repeat("a", 3000), "code=a&error=b", "error=server_error", "error=temporarily_unavailable", "error=invalid_client",
	"error=unauthorized_client", "error=x", "error=invalid_request&error_description=%22%0a", "error=access_denied&error_description=" + strings.Repeat("a", 3000),
}

var hostileHeaders = []http.Header{
	{},
	{"Authorization": {"Bearer x"}, "Cookie": {"a=b; c"}, "Accept-Language": {strings.Repeat("de,", 500)}},
	{"Authorization": {"Bearer dcr_iat_" + strings.Repeat("a", 78)}, "Cookie": {"__Host-dcr=x; __Host-dcr=y"}},
	{"Authorization": {"Basic \xff"}, "Content-Encoding": {"gzip"}, "Accept": {"\xff"}, "Origin": {"null"}},
	{"Authorization": {"Basic eDp4"}, "X-Forwarded-For": {"\x7f"}, "Host": {"evil.example"}, "If-None-Match": {"\"x\""}, "Content-Type": {"text/\xff"}},
	{"Authorization": {"Bearer eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2V2aWwuZXhhbXBsZSJ9."}, "Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"cross-site"}},
}

// libraryTexts is what errors of libraries say.
var libraryTexts = []string{
	"go-jose", "golang", "github.com", "json: ", `parse "`, "strconv", "base64 data", "invalid character", "unexpected end", "unexpected EOF", "hex: ", "asn1", "x509",
	"crypto/", "net/url", "net/http", "URL escape", "dial tcp", "context canceled", "context deadline", "smithy", "runtime error",
}

// No request of a stranger is a 5xx or an ERROR line, as long as everything behind
// the broker works: either would ring an alarm.
func TestStrangersRingNoAlarm(t *testing.T) {
	for _, mode := range []string{"brokered", "direct"} {
		t.Run(mode, func(t *testing.T) {
			log := new(fake.Log)
			s, err := Start(t.Context(), Options{
				Log:    slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelInfo})),
				Getenv: func(name string) string { return map[string]string{"AUTHORIZATION": mode}[name] },
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			res, err := client.Post(s.Issuer+"/register", "application/json", strings.NewReader(`{"client_name":"Stranger","redirect_uris":["http://127.0.0.1/cb"],"grant_types":["authorization_code","refresh_token"]}`))
			if err != nil {
				t.Fatal(err)
			}
			registered, _ := io.ReadAll(res.Body)
			res.Body.Close()
			m := regexp.MustCompile(`"client_id":"([^"]+)"`).FindSubmatch(registered)
			if m == nil {
				t.Fatalf("the registration is answered %s", registered)
			}
			own := strings.NewReplacer("CLIENT", string(m[1]))
			sent := 0
			send := func(method, path, query, body, contentType string, header http.Header) {
				r := must.Request(t, method, s.Issuer+"/", body)
				r.URL.Opaque = "//" + r.URL.Host + path
				if !valid(path) {
					return
				}
				r.URL.RawQuery = strings.Map(func(c rune) rune {
					if c < 0x20 || c > 0x7e || c == ' ' {
						return 'x' // net/http sends no such query
					}
					return c
				}, query)
				for name, values := range header {
					if name == "Host" {
						r.Host = values[0]
						continue
					}
					r.Header[name] = values
				}
				if contentType != "" {
					r.Header.Set("Content-Type", contentType)
				}
				sent++
				res, err := client.Do(r)
				if err != nil {
					return // net/http refused the request
				}
				answer, _ := io.ReadAll(res.Body)
				res.Body.Close()
				told := string(answer) + res.Header.Get("Location") + res.Header.Get("WWW-Authenticate")
				for _, text := range libraryTexts {
					if strings.Contains(told, text) {
						t.Errorf("%s %s?%.80s %.80q %v: the answer has a library's text, %q", method, path, query, body, header, text)
					}
				}
				if res.StatusCode >= 500 {
					t.Errorf("%s %s?%.80s %.80q %v: %d %.200s", method, path, query, body, header, res.StatusCode, answer)
				}
			}
			for _, paths := range hostilePaths {
				for _, path := range paths {
					for i, p := range hostileParameters() {
						header := hostileHeaders[i%len(hostileHeaders)]
						p = own.Replace(p)
						send("GET", path, p, "", "", header)
						send("POST", path, "", p, "application/x-www-form-urlencoded", header)
					}
					for i, body := range hostileBodies {
						header := hostileHeaders[i%len(hostileHeaders)]
						send("POST", path, "", body, "application/json", header)
						send("PUT", path, "", body, "application/json", header)
					}
					for _, header := range hostileHeaders {
						for _, method := range []string{"HEAD", "DELETE", "OPTIONS", "PATCH", "BREW"} {
							send(method, path, "a=b", "", "", header)
						}
					}
				}
			}
			if mode == "brokered" {
				// A stranger can begin a sign-in, and then come back with anything. A second
				// callback finds the step taken.
				begin := "client_id=" + string(m[1]) + "&redirect_uri=http://127.0.0.1/cb&response_type=code&code_challenge_method=S256&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
				for _, came := range hostileCallbacks {
					res, err := client.Do(must.Request(t, "GET", s.Issuer+"/authorize?"+begin, ""))
					if err != nil {
						t.Fatal(err)
					}
					res.Body.Close()
					to, err := res.Location()
					if err != nil || len(res.Cookies()) != 1 {
						t.Fatalf("the sign-in begins with %d, %v and %d cookies", res.StatusCode, err, len(res.Cookies()))
					}
					cookie := http.Header{"Cookie": {res.Cookies()[0].Name + "=" + res.Cookies()[0].Value}}
					state := to.Query().Get("state")
					for range 2 {
						send("GET", "/callback", came+"&state="+url.QueryEscape(state), "", "", cookie)
					}
					transaction, _, _ := strings.Cut(state, ".")
					send("GET", "/consent", "transaction="+transaction, "", "", cookie)
					for _, code := range []string{"access_denied", "server_error", "x"} {
						send("GET", "/callback", "denied="+code+"&transaction="+transaction, "", "", cookie)
					}
					send("POST", "/authorize", "", "decision=allow&csrf=x&transaction="+transaction, "application/x-www-form-urlencoded", cookie)
				}
			}
			if sent < 2000 {
				t.Errorf("%d requests were sent, want thousands", sent)
			}
			for line := range strings.Lines(log.String()) {
				if strings.Contains(line, `"level":"ERROR"`) {
					t.Errorf("a stranger's request is an error: %.400s", line)
				}
			}
		})
	}
}

// valid reports whether net/http can send the path.
func valid(path string) bool {
	_, err := url.ParseRequestURI(path)
	return err == nil
}

// A route without hostile requests fails here.
func TestEachRouteHasHostileRequests(t *testing.T) {
	routes := regexp.MustCompile(`RouteKey: '?(?:[A-Z]+ )?([^\s',]+)`).FindAllStringSubmatch(string(must.ReadFile(t, "../../../template.yaml")), -1)
	if len(routes) < 8 {
		t.Fatalf("%d routes in the template, want all", len(routes))
	}
	for _, m := range routes {
		if _, ok := hostilePaths[m[1]]; !ok {
			t.Errorf("there are no hostile requests for the route %s", m[1])
		}
	}
}

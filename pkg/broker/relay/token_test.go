package relay_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

func TestTokenSendsCognitoExactlyWhatItKnows(t *testing.T) {
	const sentCode = "code=" + authCode + "&code_verifier=" + verifier + "&grant_type=authorization_code&redirect_uri=http%3A%2F%2Flocalhost%3A7777%2Fcb"
	id := "&client_id=" + publicID
	tests := []struct {
		name, authorization, form string
		forward                   bool
		wantAuth, wantBody        string
	}{
		{"public client", "", codeForm + id, false, "", "client_id=" + publicID + "&" + sentCode},
		{"secret in the header", basic(secretID, clientSecret), codeForm, false, basic(secretID, clientSecret), sentCode},
		{"secret in the header, id in the body too", basic(secretID, clientSecret), codeForm + "&client_id=" + secretID, false, basic(secretID, clientSecret), sentCode},
		{"scheme in lower case", strings.Replace(basic(secretID, clientSecret), "Basic", "basic", 1), codeForm, false, basic(secretID, clientSecret), sentCode},
		{"secret in the body, though registered for the header", "", codeForm + "&client_id=" + secretID + "&client_secret=" + clientSecret, false,
			"", "client_id=" + secretID + "&client_secret=" + clientSecret + "&" + sentCode},
		// RFC 6749 §2.3.1 asks for form encoding, the TypeScript SDK sends raw.
		{"form-encoded plus signs", basic("plus%2Bclient", strings.ReplaceAll(plusSecret, "+", "%2B")), codeForm, false, basic(plusID, plusSecret), sentCode},
		{"raw plus signs", basic(plusID, plusSecret), codeForm, false, basic(plusID, plusSecret), sentCode},
		{"everything percent-encoded", basic("plus%2Bclient", strings.ReplaceAll(strings.ReplaceAll(plusSecret, "+", "%2b"), "_", "%5f")), codeForm, false, basic(plusID, plusSecret), sentCode},
		// golang.org/x/oauth2 tries the header first, whether it has a secret or not.
		{"public client with an empty password in the header", basic(publicID, ""), codeForm, false, "", "client_id=" + publicID + "&" + sentCode},
		{"empty client_secret is none", "", codeForm + id + "&client_secret=", false, "", "client_id=" + publicID + "&" + sentCode},
		{"unknown parameters and those of other grants", "", codeForm + id + "&audience=x&scope=openid&refresh_token=r&username=u&password=p&nonce=%00", false,
			"", "client_id=" + publicID + "&" + sentCode},
		{"resource dropped", "", codeForm + id + "&resource=" + calendar + "&resource=nonsense", false, "", "client_id=" + publicID + "&" + sentCode},
		{"resource forwarded", "", codeForm + id + "&resource=" + calendar, true, "", "client_id=" + publicID + "&" + sentCode + "&resource=https%3A%2F%2Fmcp.example.com%2Fcalendar"},
		{"the same resource twice is one", "", codeForm + id + "&resource=" + calendar + "&resource=" + calendar, true,
			"", "client_id=" + publicID + "&" + sentCode + "&resource=https%3A%2F%2Fmcp.example.com%2Fcalendar"},
		{"refresh", "", "grant_type=refresh_token&refresh_token=" + refreshToken + id, false, "", "client_id=" + publicID + "&grant_type=refresh_token&refresh_token=" + refreshToken},
		{"refresh with scope, which Cognito does not read", "", "grant_type=refresh_token&refresh_token=" + refreshToken + id + "&scope=openid+offline_access", false,
			"", "client_id=" + publicID + "&grant_type=refresh_token&refresh_token=" + refreshToken},
		{"refresh with resource", "", "grant_type=refresh_token&refresh_token=" + refreshToken + id + "&resource=" + calendar, true,
			"", "client_id=" + publicID + "&grant_type=refresh_token&refresh_token=" + refreshToken + "&resource=https%3A%2F%2Fmcp.example.com%2Fcalendar"},
		{"client credentials, all registered scopes", basic(machineID, clientSecret), "grant_type=client_credentials", false,
			basic(machineID, clientSecret), "grant_type=client_credentials&scope=https%3A%2F%2Fmcp.example.com%2Fread+https%3A%2F%2Fmcp.example.com%2Fwrite"},
		{"client credentials, some", basic(machineID, clientSecret), "grant_type=client_credentials&scope=" + writeScope + "++" + writeScope + "+offline_access", false,
			basic(machineID, clientSecret), "grant_type=client_credentials&scope=https%3A%2F%2Fmcp.example.com%2Fwrite"},
		{"client credentials, only offline_access", basic(machineID, clientSecret), "grant_type=client_credentials&scope=offline_access", false,
			basic(machineID, clientSecret), "grant_type=client_credentials&scope=https%3A%2F%2Fmcp.example.com%2Fread+https%3A%2F%2Fmcp.example.com%2Fwrite"},
		{"client credentials have no resource", basic(machineID, clientSecret), "grant_type=client_credentials&scope=" + readScope + "&resource=" + calendar, true,
			basic(machineID, clientSecret), "grant_type=client_credentials&scope=https%3A%2F%2Fmcp.example.com%2Fread"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			up := newCognito(t, replying(200, issued(`{"scope":"openid"}`)))
			s := newStack(t, up.URL)
			if tt.forward {
				s = newStack(t, up.URL, forwardResource)
			}
			if a := s.post("/token", tt.authorization, tt.form); a.status != http.StatusOK {
				t.Errorf("status = %d, want 200: %s", a.status, a.raw)
			}
			want := []received{{"POST", "/oauth2/token", "application/x-www-form-urlencoded", tt.wantAuth, tt.wantBody}}
			if got := up.received(); !slices.Equal(got, want) {
				t.Errorf("Cognito received\n %+v, want\n %+v", got, want)
			}
		})
	}
}

func TestTokenRefusesWithoutCognito(t *testing.T) {
	id := "&client_id=" + publicID
	machine := basic(machineID, clientSecret)
	without := func(name string) string {
		parts := slices.DeleteFunc(strings.Split(codeForm, "&"), func(p string) bool { return strings.HasPrefix(p, name+"=") })
		return strings.Join(parts, "&") + id
	}
	tests := []struct {
		name, authorization, form string
		status                    int
		code                      string
	}{
		{"no client", "", codeForm, 401, "invalid_client"},
		{"empty form", "", "", 401, "invalid_client"},
		{"unknown client", "", codeForm + "&client_id=nobody", 401, "invalid_client"},
		{"disabled client", "", codeForm + "&client_id=disabled", 400, "unauthorized_client"},
		{"client that an operator has deleted, and that can register again", "", codeForm + "&client_id=deleted", 401, "invalid_client"},
		{"unknown client, and other faults", "", "client_id=nobody", 401, "invalid_client"},
		{"unknown client in the header", basic("nobody", clientSecret), codeForm, 401, "invalid_client"},
		{"client being deleted", "", codeForm + "&client_id=deleting", 401, "invalid_client"},
		{"client id of another case", "", codeForm + "&client_id=" + strings.ToUpper(publicID), 401, "invalid_client"},

		{"public client with secret", "", codeForm + id + "&client_secret=" + clientSecret, 401, "invalid_client"},
		{"public client with secret in the header", basic(publicID, clientSecret), codeForm, 401, "invalid_client"},
		{"secret client without", "", codeForm + "&client_id=" + secretID, 401, "invalid_client"},
		{"secret client with an empty one", basic(secretID, ""), codeForm, 401, "invalid_client"},
		{"bearer token", "Bearer " + clientSecret, codeForm + id, 401, "invalid_client"},
		{"basic without anything", "Basic", codeForm + id, 401, "invalid_client"},
		{"basic that is not base64", "Basic %%%", codeForm + id, 401, "invalid_client"},
		{"basic without colon", "Basic bm9jb2xvbg==", codeForm + id, 401, "invalid_client"},
		{"basic without id", basic("", clientSecret), codeForm + id, 401, "invalid_client"},
		{"basic with a bad escape", basic(secretID, "%zz"), codeForm, 401, "invalid_client"},
		{"basic with a control character", basic(secretID, "a%0ab"), codeForm, 401, "invalid_client"},
		{"client assertion", "", codeForm + id + "&client_assertion=x.y.z", 401, "invalid_client"},
		{"header and body", basic(secretID, clientSecret), codeForm + "&client_secret=" + clientSecret, 400, "invalid_request"},
		{"header and assertion", basic(secretID, clientSecret), codeForm + "&client_assertion=x.y.z", 400, "invalid_request"},
		{"two clients", basic(secretID, clientSecret), codeForm + id, 400, "invalid_request"},

		{"repeated parameter", "", codeForm + id + id, 400, "invalid_request"},
		{"repeated parameter, then empty", "", codeForm + id + "&code=", 400, "invalid_request"},
		{"repeated parameter, first empty", "", "code=&" + codeForm + id, 400, "invalid_request"},
		{"repeated unknown parameter", "", codeForm + id + "&x=1&x=2", 400, "invalid_request"},
		{"repeated, once encoded", "", codeForm + id + "&%63ode=other", 400, "invalid_request"},
		{"bad escape", "", codeForm + id + "&x=%zz", 400, "invalid_request"},
		{"bad escape in a name", "", codeForm + id + "&%=1", 400, "invalid_request"},
		{"semicolon", "", codeForm + id + ";x=1", 400, "invalid_request"},
		{"control character", "", codeForm + id + "&scope=%00", 400, "invalid_request"},
		{"not ASCII", "", codeForm + id + "&scope=%C3%A4", 400, "invalid_request"},
		{"JSON called a form", "", `{"grant_type":"authorization_code"}`, 401, "invalid_client"},

		{"grant_type missing", "", "x=1" + id, 400, "invalid_request"},
		{"grant_type empty", "", "grant_type=" + id, 400, "invalid_request"},
		{"password grant", "", "grant_type=password&username=a&password=b" + id, 400, "unsupported_grant_type"},
		{"device grant", "", "grant_type=urn:ietf:params:oauth:grant-type:device_code" + id, 400, "unsupported_grant_type"},
		{"grant type in another case", "", "grant_type=Authorization_Code" + id, 400, "unsupported_grant_type"},
		{"client credentials not registered", basic(secretID, clientSecret), "grant_type=client_credentials", 400, "unauthorized_client"},
		{"code not registered", machine, codeForm, 400, "unauthorized_client"},
		{"refresh not registered", "", "grant_type=refresh_token&refresh_token=x&client_id=norefresh", 400, "unauthorized_client"},

		{"no code", "", without("code"), 400, "invalid_request"},
		{"empty code", "", without("code") + "&code=", 400, "invalid_request"},
		{"no redirect_uri", "", without("redirect_uri"), 400, "invalid_request"},
		{"redirect_uri not registered", "", without("redirect_uri") + "&redirect_uri=https://evil.example/cb", 400, "invalid_grant"},
		{"redirect_uri with another port", "", without("redirect_uri") + "&redirect_uri=http://localhost:7778/cb", 400, "invalid_grant"},
		{"no code_verifier", "", without("code_verifier"), 400, "invalid_request"},
		{"empty code_verifier", "", without("code_verifier") + "&code_verifier=", 400, "invalid_request"},
		{"code_verifier of 42", "", without("code_verifier") + "&code_verifier=" + strings.Repeat("a", 42), 400, "invalid_request"},
		{"code_verifier of 129", "", without("code_verifier") + "&code_verifier=" + strings.Repeat("a", 129), 400, "invalid_request"},
		{"code_verifier with a slash", "", without("code_verifier") + "&code_verifier=" + strings.Repeat("a", 43) + "/", 400, "invalid_request"},
		{"no refresh_token", "", "grant_type=refresh_token" + id, 400, "invalid_request"},
		{"refresh with a scope not registered", "", "grant_type=refresh_token&refresh_token=x&scope=admin" + id, 400, "invalid_scope"},
		{"client credentials with a scope not registered", machine, "grant_type=client_credentials&scope=" + readScope + "+openid", 400, "invalid_scope"},
		{"scope in another case", machine, "grant_type=client_credentials&scope=" + strings.ToUpper(readScope), 400, "invalid_scope"},

		{"two resources", "", codeForm + id + "&resource=" + calendar + "&resource=https://mcp.example.com/mail", 400, "invalid_target"},
		{"relative resource", "", codeForm + id + "&resource=/calendar", 400, "invalid_target"},
		{"resource with fragment", "", codeForm + id + "&resource=" + calendar + "%23x", 400, "invalid_target"},
		{"resource that is not a URI", "", codeForm + id + "&resource=https://%5B", 400, "invalid_target"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			up := newCognito(t, replying(200, issued(`{}`)))
			s := newStack(t, up.URL, forwardResource)
			a := s.post("/token", tt.authorization, tt.form)
			a.wantRefusal(t, tt.status, tt.code)
			if a.text("error_description") == "" {
				t.Error("no error_description")
			}
			wantChallenge := ""
			if tt.status == 401 && tt.authorization != "" {
				wantChallenge = `Basic realm="token", charset="UTF-8"`
			}
			if got := a.header.Get("WWW-Authenticate"); got != wantChallenge {
				t.Errorf("WWW-Authenticate = %q, want %q", got, wantChallenge)
			}
			if got := up.received(); len(got) != 0 {
				t.Errorf("Cognito got requests: %+v", got)
			}
			if len(s.clients.touched) != 0 {
				t.Errorf("use recorded for %q, want none", s.clients.touched)
			}
		})
	}
}

// Whether Cognito gets the resource is not known if the configuration cannot be
// read. The code is not redeemed without it: the client may send it again.
func TestARequestWithAResourceNeedsTheConfiguration(t *testing.T) {
	up := newCognito(t, replying(200, issued(`{}`)))
	asked := 0
	s := newStack(t, up.URL, func(c *settings) {
		c.relay.ForwardResource = func(context.Context) (bool, error) {
			asked++
			return false, broker.NotReady(errors.New("no configuration"))
		}
	})
	const resource = "&resource=https%3A%2F%2Fmcp.example.com%2Fmcp"
	for _, form := range []string{codeForm, "grant_type=refresh_token&refresh_token=x"} {
		a := s.post("/token", "", form+"&client_id="+publicID+resource)
		a.wantRefusal(t, 503, "temporarily_unavailable")
		if a.header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", form)
		}
	}
	if got := up.received(); len(got) != 0 {
		t.Errorf("Cognito got requests: %+v", got)
	}
	if asked != 2 {
		t.Errorf("the configuration was read %d times, want 2", asked)
	}
	if a := s.post("/token", "", codeForm+"&client_id="+publicID); a.status != 200 || asked != 2 {
		t.Errorf("without a resource: %d %s after %d reads, want 200 after none", a.status, a.raw, asked-2)
	}
}

func TestClientsThatAreNotRegisteredGetTheSameAnswer(t *testing.T) {
	s := newStack(t, "http://192.0.2.1")
	want := s.post("/token", "", codeForm+"&client_id=nobody")
	for _, id := range []string{"deleted", "deleting"} {
		got := s.post("/token", "", codeForm+"&client_id="+id)
		delete(got.body, "request_id")
		delete(want.body, "request_id")
		if !maps.Equal(got.body, want.body) {
			t.Errorf("%s client: got %v, want the answer for an unknown client, %v", id, got.body, want.body)
		}
	}
}

func TestOnlyFormsAreAccepted(t *testing.T) {
	tests := []struct {
		name, contentType, body string
		status                  int
	}{
		{"JSON", "application/json", `{"grant_type":"authorization_code"}`, 415},
		{"multipart", "multipart/form-data; boundary=x", "--x--", 415},
		{"no type", "", codeForm, 415},
		{"another charset", "application/x-www-form-urlencoded; charset=utf-16", codeForm, 415},
		{"too large", "application/x-www-form-urlencoded", "a=" + strings.Repeat("b", 64<<10), 413},
		{"charset utf-8 is a form", "application/x-www-form-urlencoded; charset=UTF-8", "client_id=nobody", 401},
	}
	for _, path := range []string{"/token", "/revoke"} {
		for _, tt := range tests {
			t.Run(path+" "+tt.name, func(t *testing.T) {
				s := newStack(t, "http://192.0.2.1")
				r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(tt.body))
				if tt.contentType != "" {
					r.Header.Set("Content-Type", tt.contentType)
				}
				if a := s.do(r); a.status != tt.status {
					t.Errorf("status = %d, want %d: %s", a.status, tt.status, a.raw)
				}
			})
		}
	}
}

func TestTwoAuthorizationHeadersAreRefused(t *testing.T) {
	s := newStack(t, "http://192.0.2.1")
	r := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(codeForm))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Add("Authorization", basic(secretID, clientSecret))
	r.Header.Add("Authorization", basic(publicID, clientSecret))
	s.do(r).wantRefusal(t, 400, "invalid_request")
}

func TestParametersInTheQueryAreIgnored(t *testing.T) {
	s := newStack(t, "http://192.0.2.1")
	s.post("/token?"+codeForm+"&client_id="+publicID, "", "").wantRefusal(t, 401, "invalid_client")
}

func TestTokenAnswer(t *testing.T) {
	all := "openid " + readScope + " " + writeScope
	tests := []struct{ name, form, reply, want string }{
		{"all members, scope from the access token", codeForm + "&client_id=" + publicID, issued(`{"scope":"openid ` + readScope + `"}`),
			`{"access_token":"` + jwt(`{"scope":"openid `+readScope+`"}`) + `","token_type":"Bearer","expires_in":3600,"refresh_token":"rt0ken","id_token":"idt0ken","scope":"openid ` + readScope + `"}`},
		{"unknown members and nulls are left out", codeForm + "&client_id=" + publicID, `{"access_token":"at0ken","token_type":"Bearer","expires_in":60,"refresh_token":null,"id_token":"","foo":1}`,
			`{"access_token":"at0ken","token_type":"Bearer","expires_in":60,"scope":"` + all + `"}`},
		{"expires_in is a whole number or absent", codeForm + "&client_id=" + publicID, `{"access_token":"at0ken","token_type":"Bearer","expires_in":"60"}`,
			`{"access_token":"at0ken","token_type":"Bearer","scope":"` + all + `"}`},
		{"negative expires_in", codeForm + "&client_id=" + publicID, `{"access_token":"at0ken","token_type":"Bearer","expires_in":-1}`,
			`{"access_token":"at0ken","token_type":"Bearer","scope":"` + all + `"}`},
		{"names are exact", codeForm + "&client_id=" + publicID, `{"access_token":"at0ken","token_type":"Bearer","Access_Token":"other","REFRESH_TOKEN":"x"}`,
			`{"access_token":"at0ken","token_type":"Bearer","scope":"` + all + `"}`},
		{"three parts that are not a JWT", codeForm + "&client_id=" + publicID, `{"access_token":"at0ken.%.x","token_type":"Bearer"}`,
			`{"access_token":"at0ken.%.x","token_type":"Bearer","scope":"` + all + `"}`},
		{"scope claim that is not a string", codeForm + "&client_id=" + publicID, `{"access_token":"` + jwt(`{"scope":["openid"]}`) + `","token_type":"Bearer"}`,
			`{"access_token":"` + jwt(`{"scope":["openid"]}`) + `","token_type":"Bearer","scope":"` + all + `"}`},
		{"a client not registered for refresh gets no refresh token", codeForm + "&client_id=norefresh", issued(`{"scope":"openid"}`),
			`{"access_token":"` + jwt(`{"scope":"openid"}`) + `","token_type":"Bearer","expires_in":3600,"id_token":"idt0ken","scope":"openid"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStack(t, newCognito(t, replying(200, tt.reply)).URL)
			a := s.post("/token", "", tt.form)
			if got := strings.TrimSpace(a.raw); a.status != 200 || got != tt.want {
				t.Errorf("got %d\n %s, want 200\n %s", a.status, got, tt.want)
			}
		})
	}
}

func TestCognitosErrorsAtTheTokenEndpoint(t *testing.T) {
	tests := []struct {
		name         string
		status       int
		body         string
		wantStatus   int
		wantCode     string
		wantDescribe string
	}{
		{"invalid_client", 400, `{"error":"invalid_client"}`, 401, "invalid_client", "client authentication failed"},
		{"invalid_client with 401", 401, `{"error":"invalid_client","error_description":"no"}`, 401, "invalid_client", "no"},
		{"invalid_grant", 400, `{"error":"invalid_grant"}`, 400, "invalid_grant", ""},
		{"with a description", 400, `{"error":"invalid_grant","error_description":"Invalid Refresh Token"}`, 400, "invalid_grant", "Invalid Refresh Token"},
		{"redirect URI mismatch", 400, `{"error":"unauthorized_client","error_description":"invalid_redirect"}`, 400, "invalid_grant", "redirect_uri is not the one of the authorization request"},
		{"redirect URI mismatch, longer name", 400, `{"error":"unauthorized_client","error_description":"invalid_redirect_uri"}`, 400, "invalid_grant", "redirect_uri is not the one of the authorization request"},
		{"unauthorized_client", 400, `{"error":"unauthorized_client"}`, 400, "unauthorized_client", ""},
		{"invalid_scope", 400, `{"error":"invalid_scope"}`, 400, "invalid_scope", ""},
		{"invalid_request", 400, `{"error":"invalid_request"}`, 400, "invalid_request", ""},
		{"unsupported_grant_type", 400, `{"error":"unsupported_grant_type"}`, 400, "unsupported_grant_type", ""},
		{"another 4xx", 403, `{"error":"invalid_grant"}`, 400, "invalid_grant", ""},

		{"description with a quotation mark", 400, `{"error":"invalid_grant","error_description":"say \"no\""}`, 400, "invalid_grant", ""},
		{"description with a newline", 400, `{"error":"invalid_grant","error_description":"a\nb"}`, 400, "invalid_grant", ""},
		{"description in another script", 400, `{"error":"invalid_grant","error_description":"ungültig"}`, 400, "invalid_grant", ""},
		{"long description", 400, `{"error":"invalid_grant","error_description":"` + strings.Repeat("a", 301) + `"}`, 400, "invalid_grant", ""},
		{"description that is not a string", 400, `{"error":"invalid_grant","error_description":7}`, 400, "invalid_grant", ""},
		{"description that repeats the code", 400, `{"error":"invalid_grant","error_description":"bad code ` + authCode + `"}`, 400, "invalid_grant", ""},
		{"description that repeats the secret", 400, `{"error":"invalid_client","error_description":"bad ` + clientSecret + `"}`, 401, "invalid_client", "client authentication failed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStack(t, newCognito(t, replying(tt.status, tt.body)).URL)
			a := s.post("/token", basic(secretID, clientSecret), codeForm)
			a.wantRefusal(t, tt.wantStatus, tt.wantCode)
			if got := a.text("error_description"); got != tt.wantDescribe {
				t.Errorf("error_description = %q, want %q", got, tt.wantDescribe)
			}
			if got, want := a.header.Get("WWW-Authenticate") != "", tt.wantStatus == 401; got != want {
				t.Errorf("has a challenge: %t, want %t", got, want)
			}
			if len(s.clients.touched) != 0 {
				t.Errorf("use recorded for %q, want none: strangers can send such a request for a client without a secret", s.clients.touched)
			}
		})
	}
}

func TestStoreThatCannotBeReadIs503(t *testing.T) {
	for _, path := range []string{"/token", "/revoke"} {
		s := newStack(t, "http://192.0.2.1")
		s.clients.err = fmt.Errorf("dynamo: get registration: %w", errors.New("throttled"))
		a := s.post(path, "", codeForm+"&client_id="+publicID)
		a.wantRefusal(t, 503, "temporarily_unavailable")
		if got := a.header.Get("Retry-After"); got != "2" {
			t.Errorf("Retry-After = %q, want 2", got)
		}
		if strings.Contains(a.raw, "dynamo") {
			t.Errorf("the answer names our database: %s", a.raw)
		}
	}
}

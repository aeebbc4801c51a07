package authorize

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/dcr-broker/dcr-broker/pkg/broker/authorization"
)

func TestParameters(t *testing.T) {
	for _, tt := range []struct {
		name, raw string
		want      authorization.Request
	}{
		{"nothing", "", authorization.Request{}},
		{"unknown parameter", "foo=bar", authorization.Request{}},
		{"no value counts as not sent", "request=&nonce=&prompt=&state", authorization.Request{}},
		{"escapes", "state=a+b%26c&&sc%6fpe=x", authorization.Request{State: "a b&c", Scope: "x"}},
		{"resource twice", "resource=a&resource=a&resource=", authorization.Request{Resources: []string{"a", "a"}}},
		{"scope twice", "scope=x&scope=x", authorization.Request{Scope: "x", Repeated: []string{"scope"}}},
		{"unknown parameter twice", "foo=1&foo=1", authorization.Request{Repeated: []string{"foo"}}},
		{"twice without a value", "foo=&foo=", authorization.Request{Repeated: []string{"foo"}}},
		{"twice in another spelling", "scope=x&sc%6fpe=x", authorization.Request{Scope: "x", Repeated: []string{"scope"}}},
		{"the one repeated first comes first", "a=1&b=1&b=2&a=2&b=3", authorization.Request{Repeated: []string{"b", "a"}}},
		{
			"all", "client_id=1&redirect_uri=2&response_type=3&response_mode=4&state=5&scope=6&code_challenge=7&code_challenge_method=8&" +
				"nonce=9&prompt=10&login_hint=11&ui_locales=12&lang=13&request=14&request_uri=15",
			authorization.Request{
				ClientID: "1", RedirectURI: "2", ResponseType: "3", ResponseMode: "4", State: "5", Scope: "6", Challenge: "7", ChallengeMethod: "8",
				Nonce: "9", Prompt: "10", LoginHint: "11", UILocales: "12", Lang: "13", RequestObject: "14", RequestURI: "15",
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, wrong := parseParameters(tt.raw)
			if got := p.authorizationRequest(); wrong != "" || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v (%s), want %+v", got, wrong, tt.want)
			}
		})
	}
}

func TestMalformedQueries(t *testing.T) {
	for _, raw := range []string{"a=%zz", "%=a", "a=%ff", "%ff=a", "a=1;b=2", "a=" + strings.Repeat("x", maxParameters)} {
		if _, wrong := parseParameters(raw); wrong == "" {
			t.Errorf("parseParameters(%.20q) is no error", raw)
		}
	}
}

func TestCallbackParametersDoNotPrint(t *testing.T) {
	p, _ := parseParameters("code=hidden&state=hidden")
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(format+format, p, p.callback()); strings.Contains(got, "hidden") {
			t.Errorf("%s prints %s", format, got)
		}
	}
}

// FuzzParameters searches for a query that makes the parser panic, or that it
// accepts with a value that is not UTF-8.
func FuzzParameters(f *testing.F) {
	f.Add("client_id=c&scope=a+b&state=%00")
	f.Add("a=%zz&resource=%&resource=x")
	f.Fuzz(func(t *testing.T, raw string) {
		p, wrong := parseParameters(raw)
		if wrong != "" {
			return
		}
		r := p.authorizationRequest()
		for _, s := range slices.Concat(r.Resources, r.Repeated, []string{r.ClientID, r.State, r.Scope}) {
			if !utf8.ValidString(s) {
				t.Errorf("accepted %q", s)
			}
		}
	})
}

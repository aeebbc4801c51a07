package httpapi

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// FuzzForm compares ParseForm with url.ParseQuery: both read the same values,
// or ParseForm refuses the form for one of its own reasons.
func FuzzForm(f *testing.F) {
	for _, seed := range []string{
		"", "&&", "=", "a", "grant_type=authorization_code&code=x&redirect_uri=http%3A%2F%2Flocalhost%2Fcb&client_id=abc",
		"resource=https://a.example&resource=https://b.example", "scope=a+b%20c", "code=", "code=&code=x", "%63ode=1&code=2",
		"a=%zz", "a=%", "a;b", "client_secret=%00", "client_secret=%C3%A4", "token=a=b=c", "x=1&x=2", "+=+", "resource=&resource=",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		if strings.Count(body, "&") > 1000 {
			t.Skip("ParseQuery limits the number of parameters, and the broker the size of the body")
		}
		got, err := ParseForm(body)
		want, wantErr := url.ParseQuery(body)
		repeated, unprintable := false, false
		for name, values := range want {
			repeated = repeated || len(values) > 1 && name != "resource"
			unprintable = unprintable || slices.Contains(formParameters, name) && slices.ContainsFunc(values, func(v string) bool { return !broker.Printable(v) })
		}
		if err != nil {
			e := answerFor(err)
			if e.Status != http.StatusBadRequest || e.Code != "invalid_request" {
				t.Fatalf("ParseForm(%q) = %v, want an invalid_request with status 400", body, err)
			}
			if !broker.Printable(e.Description) || strings.ContainsAny(e.Description, `"\`) {
				t.Errorf("description %q has characters that RFC 6749 section 5.2 does not allow", e.Description)
			}
			if wantErr == nil && !repeated && !unprintable {
				t.Errorf("ParseForm(%q) = %v without reason", body, err)
			}
			return
		}
		if wantErr != nil || repeated || unprintable {
			t.Fatalf("ParseForm(%q) accepts an invalid form: error of ParseQuery %v, repeated %t, unprintable %t", body, wantErr, repeated, unprintable)
		}
		for _, name := range formParameters {
			if sent := slices.DeleteFunc(want[name], func(v string) bool { return v == "" }); !slices.Equal(got[name], sent) {
				t.Errorf("ParseForm(%q)[%q] = %q, want %q", body, name, got[name], sent)
			}
		}
		again, err := ParseForm(url.Values(got).Encode())
		if err != nil || !maps.EqualFunc(again, got, slices.Equal[[]string]) {
			t.Errorf("the result of ParseForm(%q), encoded again, is read as %v, %v", body, map[string][]string(again), err)
		}
	})
}

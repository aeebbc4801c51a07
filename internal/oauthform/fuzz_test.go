package oauthform

import (
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/httpapi"
)

// FuzzForm holds Parse against url.ParseQuery: what is read is what that
// reads, and what is refused is refused for a reason of ours.
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
			t.Skip("ParseQuery has a limit on the number of parameters, and we one on the size of the body")
		}
		got, err := Parse(body)
		want, wantErr := url.ParseQuery(body)
		repeated, unprintable := false, false
		for name, values := range want {
			repeated = repeated || len(values) > 1 && name != "resource"
			unprintable = unprintable || slices.Contains(parameters, name) && slices.ContainsFunc(values, func(v string) bool { return !Printable(v) })
		}
		if err != nil {
			e, ok := err.(*httpapi.Error)
			if !ok || e.Status != http.StatusBadRequest || e.Code != "invalid_request" {
				t.Fatalf("Parse(%q) = %v, want an invalid_request with status 400", body, err)
			}
			if !Printable(e.Description) || strings.ContainsAny(e.Description, `"\`) {
				t.Errorf("description %q has characters that RFC 6749 section 5.2 does not allow", e.Description)
			}
			if wantErr == nil && !repeated && !unprintable {
				t.Errorf("Parse(%q) = %v without reason", body, err)
			}
			return
		}
		if wantErr != nil || repeated || unprintable {
			t.Fatalf("Parse(%q) accepts what it should not: error of ParseQuery %v, repeated %t, unprintable %t", body, wantErr, repeated, unprintable)
		}
		for _, name := range parameters {
			if sent := slices.DeleteFunc(want[name], func(v string) bool { return v == "" }); !slices.Equal(got[name], sent) {
				t.Errorf("Parse(%q)[%q] = %q, want %q", body, name, got[name], sent)
			}
		}
		again, err := Parse(url.Values(got).Encode())
		if err != nil || !maps.EqualFunc(again, got, slices.Equal[[]string]) {
			t.Errorf("what Parse(%q) reads is read as %v, %v when encoded again", body, map[string][]string(again), err)
		}
	})
}

// FuzzBasic checks that any header is read without harm, and that what is read
// comes out of a header again in both ways of writing it.
func FuzzBasic(f *testing.F) {
	encode := base64.StdEncoding.EncodeToString
	for _, seed := range []string{
		"", "Basic", "Basic ", "basic " + encode([]byte("abc:secret")), "Basic " + encode([]byte("a+b:c+d")), "Basic " + encode([]byte("a%2Bb:c%2Bd")),
		"Basic " + encode([]byte("abc:")), "Basic " + encode([]byte(":secret")), "Basic " + encode([]byte("abc")), "Basic " + encode([]byte("abc:a:b")),
		"Basic " + encode([]byte("abc:%zz")), "Basic " + encode([]byte("abc:a%00")), "Bearer abc", "Basic YWJjOnNlY3JldA", "Basic  YWJjOnNlY3JldA== ",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		id, secret, ok := parseBasic(header)
		if !ok {
			return
		}
		if id == "" || !Printable(id) || !Printable(secret) {
			t.Fatalf("parseBasic(%q) = %q, %q, want an id, and printable ASCII in both", header, id, secret)
		}
		headers := []string{"Basic " + encode([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))}
		if strings.Contains(id+secret, " ") {
			headers = nil // a space, which a form encodes as a plus sign, is in no id or secret
		}
		if !strings.ContainsAny(id, "%:") && !strings.Contains(secret, "%") {
			headers = append(headers, "Basic "+encode([]byte(id+":"+secret)))
		}
		for _, h := range headers {
			if gotID, gotSecret, ok := parseBasic(h); !ok || gotID != id || gotSecret != secret {
				t.Errorf("parseBasic(%q) = %q, %q, %t, want %q, %q as from %q", h, gotID, gotSecret, ok, id, secret, header)
			}
		}
	})
}

func TestSecretsDoNotShow(t *testing.T) {
	for _, v := range []interface{ String() string }{
		Form{"client_secret": {"s3cret"}}, Credentials{ID: "abc", Secret: "s3cret"},
	} {
		if got := v.String(); got != "[redacted]" {
			t.Errorf("%T prints as %q, want [redacted]", v, got)
		}
	}
}

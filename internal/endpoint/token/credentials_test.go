package token

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
	"github.com/dcr-broker/dcr-broker/pkg/broker/token"
)

// FuzzBasic checks that parseBasic accepts only an id and printable ASCII, and
// that it reads the same values whether they are form-encoded or not.
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
		if id == "" || !broker.Printable(id) || !broker.Printable(secret) {
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
		httpapi.Form{"client_secret": {"s3cret"}}, clients.Credentials{ID: "abc", Secret: "s3cret"},
		token.Request{Code: "s3cret"}, token.Revocation{Token: "s3cret"}, token.IntrospectionRequest{Token: "s3cret"},
		&token.Response{AccessToken: "s3cret"}, broker.TokenReply{AccessToken: "s3cret"},
	} {
		if got := v.String(); got != "[redacted]" {
			t.Errorf("%T prints as %q, want [redacted]", v, got)
		}
	}
}

package issuers

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/go-jose/go-jose/v4"
)

// Verify never panics, and accepts only payloads that were signed.
func FuzzVerify(f *testing.F) {
	i := newIssuer(f, "", public(&ecKey.PublicKey, "k1", jose.ES256), public(&rsaKey.PublicKey, "k2", jose.RS256))
	v, _ := newVerifier()
	issuers := []policy.Issuer{i.trusted()}
	signedPayloads := make(map[string]bool)
	for _, token := range []string{
		fake.Sign(f, jose.ES256, ecKey, "k1", gitHub(i.url())), fake.Sign(f, jose.RS256, rsaKey, "k2", cognito(i.url())), fake.Sign(f, jose.RS256, rsaKey, "k2", keycloak(i.url()), "typ", "JWT"),
	} {
		f.Add(token)
		f.Add(strings.Replace(token, ".", "..", 1))
		signedPayloads[strings.Split(token, ".")[1]] = true
	}
	encode := base64.RawURLEncoding.EncodeToString
	f.Add(encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(`{"iss":"`+i.url()+`"}`)) + ".")
	f.Add(encode([]byte(`{"alg":"ES256","kid":"k1"}`)) + "." + encode([]byte(`{"iss":"`+i.url()+`"}`)) + "." + encode(make([]byte, 64)))
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		j, err := v.Verify(t.Context(), issuers, token)
		if (j == nil) == (err == nil) {
			t.Fatalf("Verify(%q) = %v, %v", token, j, err)
		}
		if err == nil && !signedPayloads[strings.Split(token, ".")[1]] {
			t.Errorf("Verify(%q) = %+v, want an error: the payload was not signed", token, j)
		}
	})
}

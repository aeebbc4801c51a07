package relay

import "testing"

func TestSecretsDoNotShow(t *testing.T) {
	for _, v := range []interface{ String() string }{reply{body: []byte("s3cret")}, &tokens{AccessToken: "s3cret"}} {
		if got := v.String(); got != "[redacted]" {
			t.Errorf("%T prints as %q, want [redacted]", v, got)
		}
	}
}

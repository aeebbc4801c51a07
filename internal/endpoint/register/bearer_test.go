package register

import (
	"errors"
	"net/http/httptest"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

func TestBearer(t *testing.T) {
	for _, tt := range []struct {
		headers []string
		want    string
		ok      bool
	}{
		{nil, "", true},
		{[]string{"Bearer abc"}, "abc", true},
		{[]string{"bearer abc"}, "abc", true},    // the scheme is case-insensitive (RFC 9110 §11.1)
		{[]string{"Bearer   abc "}, "abc", true}, // 1*SP
		{[]string{"Bearer"}, "", false},
		{[]string{"Bearer "}, "", false},
		{[]string{""}, "", false},
		{[]string{"Basic abc"}, "", false}, // the client meant to authenticate
		{[]string{"abc"}, "", false},
		{[]string{"Bearer a", "Bearer b"}, "", false},
	} {
		r := httptest.NewRequest("POST", "/", nil)
		r.Header["Authorization"] = tt.headers
		tok, err := bearer(r)
		if (err == nil) != tt.ok || tok.Reveal() != tt.want {
			t.Errorf("bearer(%q) = %q, %v, want %q, ok %t", tt.headers, tok.Reveal(), err, tt.want, tt.ok)
		}
		if e, refused := errors.AsType[*dcr.Error](err); err != nil && (!refused || e.Code != dcr.InvalidToken) {
			t.Errorf("bearer(%q) error = %v, want invalid_token", tt.headers, err)
		}
	}
}

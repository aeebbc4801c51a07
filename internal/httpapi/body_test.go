package httpapi

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

func TestReadBody(t *testing.T) {
	for _, tt := range []struct {
		name, contentType, body string
		status                  int // 0: accepted
	}{
		{"plain", "application/json", "{}", 0},
		{"charset", "application/json; charset=UTF-8", "{}", 0},
		{"exactly the limit", "application/json", "0123456789", 0},
		{"one more", "application/json", "0123456789a", 413},
		{"no type", "", "{}", 415},
		{"another type", "application/x-www-form-urlencoded", "{}", 415},
		{"a type that only begins like it", "application/json-patch+json", "{}", 415},
		{"another charset", "application/json; charset=utf-16", "{}", 415},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, length := range []int64{int64(len(tt.body)), -1} { // known, and not
				r := httptest.NewRequest("POST", "/", strings.NewReader(tt.body))
				r.ContentLength = length
				if tt.contentType != "" {
					r.Header.Set("Content-Type", tt.contentType)
				}
				body, err := ReadBody(r, "application/json", 10)
				e, refused := errors.AsType[*Error](err)
				if tt.status == 0 && (err != nil || string(body) != tt.body) {
					t.Errorf("ReadBody = %q, %v, want %q", body, err, tt.body)
				}
				if tt.status != 0 && (!refused || e.Status != tt.status) {
					t.Errorf("ReadBody error = %v, want status %d", err, tt.status)
				}
			}
		})
	}
	t.Run("connection lost", func(t *testing.T) {
		r := httptest.NewRequest("POST", "/", iotest.ErrReader(errors.New("reset")))
		r.Header.Set("Content-Type", "application/json")
		if e, ok := errors.AsType[*Error](func() error { _, err := ReadBody(r, "application/json", 10); return err }()); !ok || e.Status != 400 {
			t.Errorf("error = %v, want 400", e)
		}
	})
}

func TestBearer(t *testing.T) {
	for _, tt := range []struct {
		headers []string
		want    string
		ok      bool
	}{
		{nil, "", true},
		{[]string{"Bearer abc"}, "abc", true},
		{[]string{"bearer abc"}, "abc", true},    // the scheme is case-insensitive (RFC 9110 section 11.1)
		{[]string{"Bearer   abc "}, "abc", true}, // 1*SP
		{[]string{"Bearer"}, "", false},
		{[]string{"Bearer "}, "", false},
		{[]string{""}, "", false},
		{[]string{"Basic abc"}, "", false}, // somebody meant to authenticate
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

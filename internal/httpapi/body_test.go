package httpapi

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
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

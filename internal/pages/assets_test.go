package pages_test

import (
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/pages"
)

func TestIsAsset(t *testing.T) {
	for path, want := range map[string]bool{
		"/assets/0123456789abcdef.png":   true,
		"/assets/0123456789abcdef.svg":   true,
		"/assets/0123456789abcdef.css":   false,
		"/assets/0123456789abcdef":       false,
		"/assets/0123456789abcde.png":    false,
		"/assets/0123456789abcdef01.png": false,
		"/assets/x/0123456789abcdef.png": false,
		"/assets/none.png":               false,
		"/assets/":                       false,
		"/0123456789abcdef.png":          false,
	} {
		if got := pages.IsAsset(path); got != want {
			t.Errorf("IsAsset(%q) = %t, want %t", path, got, want)
		}
	}
}

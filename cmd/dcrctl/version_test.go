package main

import (
	"bytes"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/environment"
)

// --version works right after dcrctl was unpacked, without an environment.
func TestVersionNeedsNoEnvironment(t *testing.T) {
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"--version"}, &out, &errs, func(string) string { return "" })
	if code != 0 || out.String() != "dcrctl "+environment.Version()+"\n" || errs.Len() > 0 {
		t.Errorf("dcrctl --version = %d, %q, %q; want only the version", code, out.String(), errs.String())
	}
}

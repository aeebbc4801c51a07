package configuration

import (
	"context"
	"os"
)

// File is temporary.
func File(path string) Reader { return file(path) }

type file string

func (f file) Versions(context.Context) ([]Version, error) {
	b, err := os.ReadFile(string(f))
	return []Version{{Schema: 1, Digest: Digest(b)}}, err
}
func (f file) Body(context.Context, Version) ([]byte, error) { return os.ReadFile(string(f)) }

package main

import (
	"archive/zip"
	"io"
	"os"
	"path/filepath"
)

// size has the sizes of a function for each architecture, in bytes.
type size struct{ plain, zipped map[string]int64 }

// measureSizes returns the sizes by function, of an output of scripts/build.sh.
func measureSizes(dir string) (map[string]size, error) {
	sizes := make(map[string]size)
	for _, function := range functions {
		s := size{plain: make(map[string]int64), zipped: make(map[string]int64)}
		for _, arch := range []string{"arm64", "amd64"} {
			b, err := os.ReadFile(filepath.Join(dir, arch, function, "bootstrap"))
			if err != nil {
				return nil, err
			}
			s.plain[arch] = int64(len(b))
			if s.zipped[arch], err = zipped(b); err != nil {
				return nil, err
			}
		}
		sizes[function] = s
	}
	return sizes, nil
}

// zipped returns the size of an archive with b as its only file.
func zipped(b []byte) (int64, error) {
	var n counter
	z := zip.NewWriter(&n)
	w, err := z.Create("bootstrap")
	if err != nil {
		return 0, err
	}
	if _, err := w.Write(b); err != nil {
		return 0, err
	}
	err = z.Close()
	return int64(n), err
}

// counter counts the bytes written to it.
type counter int64

var _ io.Writer = (*counter)(nil)

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

package configuration

import (
	"context"
	"os"
	"sync"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// A file is a Reader of the document in a file, as one version with the number
// 0. It keeps what it read last: the file may change between the two reads of a
// version.
type file struct {
	path string

	mu   sync.Mutex
	body []byte
}

// File returns a Reader of the document in a file, as one version with the
// number 0. It takes the place of stored documents on a developer's computer.
func File(path string) Reader { return &file{path: path} }

func (f *file) Versions(context.Context) ([]Version, error) {
	body, err := os.ReadFile(f.path)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.body = body
	return []Version{{Digest: Digest(body)}}, nil
}

func (f *file) Body(_ context.Context, v Version) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if Digest(f.body) != v.Digest {
		return nil, broker.ErrNotFound
	}
	return f.body, nil
}

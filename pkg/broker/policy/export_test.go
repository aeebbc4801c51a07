package policy

import (
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/strict"
)

// maxDocument is the maximum size of a document, in bytes.
const maxDocument = 128 << 10

// Parse decodes a JSON text that has only the part of a configuration document
// about registrations, and may have its version, and checks it.
func Parse(body []byte, mode broker.Mode, scopes []string) (*Policy, error) {
	var f strict.Faults
	tree, ok := strict.Read(body, maxDocument, &f)
	if !ok {
		return nil, f.Err()
	}
	var o struct {
		Version int `json:"version" range:"1..1"`
		Document
	}
	strict.Decode("", tree, &o, &f)
	var p *Policy
	if !f.At("") {
		p = Check(o.Document, mode, scopes, &f)
	}
	if err := f.Err(); err != nil {
		return nil, err
	}
	return p, nil
}

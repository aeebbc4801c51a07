package configuration

import (
	"encoding/json"

	"github.com/dcr-broker/dcr-broker/pkg/strict"
)

// Remembered returns the number of versions that are remembered as unusable.
func (c *Current) Remembered() int { return len(c.unusable) }

// Encode decodes a document and encodes it again.
func Encode(body []byte) ([]byte, error) {
	var f strict.Faults
	o, _ := decode(body, &f)
	if err := f.Err(); err != nil {
		return nil, err
	}
	return json.Marshal(o)
}

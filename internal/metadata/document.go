package metadata

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
)

// document is an answer made in advance.
type document struct {
	body         []byte
	etag         string // strong, of the bytes: the same from every instance
	length       string
	cacheControl string
}

func newDocument(body []byte, cacheControl string) *document {
	sum := sha256.Sum256(body)
	return &document{
		body:         body,
		etag:         `"` + base64.RawURLEncoding.EncodeToString(sum[:18]) + `"`,
		length:       strconv.Itoa(len(body)),
		cacheControl: cacheControl,
	}
}

func (d *document) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("ETag", d.etag)
	h.Set("Cache-Control", d.cacheControl)
	if matches(r.Header.Values("If-None-Match"), d.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", d.length)
	w.WriteHeader(http.StatusOK)
	// net/http drops the body of an answer to HEAD; what runs a handler under
	// Lambda may not.
	if r.Method != http.MethodHead {
		w.Write(d.body)
	}
}

// matches reports whether an If-None-Match field names etag (RFC 9110 section
// 13.1.2) by weak comparison (section 8.8.3.2). What does not parse ends the list
// and matches nothing: the answer is then the document, which is never wrong.
func matches(fields []string, etag string) bool {
	// Several lines are one list (section 5.3).
	rest := strings.Join(fields, ",")
	if strings.Trim(rest, " \t") == "*" {
		return true
	}
	for {
		rest = strings.TrimLeft(rest, ", \t")
		rest = strings.TrimPrefix(rest, "W/")
		if len(rest) < 2 || rest[0] != '"' {
			return false
		}
		// A comma may be part of a tag; a quote may not.
		end := strings.IndexByte(rest[1:], '"')
		if end < 0 {
			return false
		}
		if rest[:end+2] == etag {
			return true
		}
		rest = rest[end+2:]
	}
}

package metadata

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
)

// response is a response made in advance.
type response struct {
	body         []byte
	etag         string // strong, made from the bytes: the same in every process
	length       string
	cacheControl string
}

func newResponse(body []byte, cacheControl string) *response {
	sum := sha256.Sum256(body)
	return &response{
		body:         body,
		etag:         `"` + base64.RawURLEncoding.EncodeToString(sum[:18]) + `"`,
		length:       strconv.Itoa(len(body)),
		cacheControl: cacheControl,
	}
}

func (a *response) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("ETag", a.etag)
	h.Set("Cache-Control", a.cacheControl)
	if matches(r.Header.Values("If-None-Match"), a.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", a.length)
	w.WriteHeader(http.StatusOK)
	// net/http drops the body of a response to HEAD; a Lambda adapter may not.
	if r.Method != http.MethodHead {
		w.Write(a.body)
	}
}

// matches reports whether an If-None-Match field names etag (RFC 9110 §13.1.2)
// by weak comparison (§8.8.3.2). It ignores the list from the first part that
// does not parse: the response is then the document, which is always correct.
func matches(fields []string, etag string) bool {
	// Several field lines are one list (§5.3).
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
		// A tag may contain a comma but no quote.
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

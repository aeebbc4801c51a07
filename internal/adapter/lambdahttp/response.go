package lambdahttp

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
)

// response is an http.ResponseWriter that behaves like net/http's: header
// changes after WriteHeader are not sent, a second status is ignored, and a
// response to HEAD has no body. It holds the response until the handler has
// returned.
type response struct {
	header http.Header
	head   bool
	status int         // 0 before WriteHeader
	sent   http.Header // header at WriteHeader
	body   bytes.Buffer
}

func newResponse(head bool) *response { return &response{header: make(http.Header), head: head} }

func (w *response) Header() http.Header { return w.header }

func (w *response) WriteHeader(status int) {
	switch {
	case w.status != 0:
		return
	case status < 100 || status > 999:
		panic(fmt.Sprintf("invalid WriteHeader code %d", status))
	case status < 200 && status != http.StatusSwitchingProtocols:
		return // informational: an HTTP API has no way to send it
	}
	w.status = status
	w.sent = w.header.Clone()
}

func (w *response) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.status < 200 || w.status == http.StatusNoContent || w.status == http.StatusNotModified {
		return 0, http.ErrBodyNotAllowed
	}
	return w.body.Write(b)
}

// oneLine replaces line breaks in a header, as net/http does.
var oneLine = strings.NewReplacer("\n", " ", "\r", " ")

// send writes the response to another ResponseWriter. Without a status it sends
// 200, as net/http does.
func (w *response) send(to http.ResponseWriter) {
	w.WriteHeader(http.StatusOK)
	h := to.Header()
	for name, values := range w.sent {
		for _, v := range values {
			h.Add(name, oneLine.Replace(v))
		}
	}
	if w.body.Len() > 0 && h.Get("Content-Type") == "" {
		h.Set("Content-Type", http.DetectContentType(w.body.Bytes()))
	}
	to.WriteHeader(w.status)
	if !w.head && w.body.Len() > 0 {
		to.Write(w.body.Bytes())
	}
}

package httpapi

import "net/http"

// recorder records the status of the response, and ignores a second one. It drops
// the body of a response to HEAD, because a Lambda adapter, unlike net/http,
// would send it.
type recorder struct {
	http.ResponseWriter
	head   bool
	status int // 0 until the handler has written one
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
		w.ResponseWriter.WriteHeader(status)
	}
}

func (w *recorder) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.head {
		return len(b), nil
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

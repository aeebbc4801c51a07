package doctor

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// listener receives the redirect of the sign-in on a port of the loopback
// interface. Its URI has the address 127.0.0.1 and not localhost (RFC 8252
// §8.3).
type listener struct {
	uri string
	srv *http.Server
	got chan url.Values
}

// listen listens on the port, or on any free port if it is 0.
func listen(port int) (*listener, error) {
	socket, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, err
	}
	l := &listener{uri: "http://" + socket.Addr().String() + "/callback", got: make(chan url.Values, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /callback", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Referrer-Policy", "no-referrer") // the address has the code
		select {
		case l.got <- r.URL.Query():
			w.Write([]byte("You can close this window and go back to dcrctl.\n"))
		default: // only the first request counts
			w.WriteHeader(http.StatusGone)
			w.Write([]byte("This sign-in is over.\n"))
		}
	})
	l.srv = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go l.srv.Serve(socket)
	return l, nil
}

// wait returns the parameters of the first request to the redirect URI.
func (l *listener) wait(ctx context.Context) (url.Values, error) {
	select {
	case q := <-l.got:
		return q, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// close stops the server after the last page has been sent.
func (l *listener) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if l.srv.Shutdown(ctx) != nil {
		l.srv.Close()
	}
}

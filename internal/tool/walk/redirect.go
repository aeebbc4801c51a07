package walk

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"time"
)

// redirect receives the authorization response, on a loopback port that the
// system chose (RFC 8252 §7.3).
type redirect struct {
	uri string
	srv *http.Server
	got chan url.Values
}

// listen starts to listen.
func listen(ctx context.Context) (*redirect, error) {
	// The address and not the name localhost, which may resolve to another (RFC
	// 8252 §8.3).
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &redirect{uri: "http://" + l.Addr().String() + "/callback", got: make(chan url.Values, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /callback", func(w http.ResponseWriter, req *http.Request) {
		select {
		case r.got <- req.URL.Query():
			w.Write([]byte("You can close this window.\n"))
		default: // only the first request counts
			http.Error(w, "this sign-in is over", http.StatusGone)
		}
	})
	r.srv = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go r.srv.Serve(l)
	return r, nil
}

// wait returns the parameters of the first request to the redirect URI.
func (r *redirect) wait(ctx context.Context) (url.Values, error) {
	select {
	case q := <-r.got:
		return q, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (r *redirect) close() { r.srv.Close() }

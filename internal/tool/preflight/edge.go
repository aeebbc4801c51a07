package preflight

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/environment"
)

// edge checks that the broker knows the addresses of clients, by which it limits
// registrations. It asks the issuer itself, as a client would.
func (r *run) edge(ctx context.Context) {
	const id = "edge"
	switch r.Environment.Edge {
	case environment.EdgeHidden:
		r.warn(id, "an edge hides the addresses of clients, so registrations are not limited for each address",
			"let the edge send a secret, see \"A domain of its own, and an edge\" in docs/deploy.md")
		return
	case "":
	default:
		r.ok(id, "an edge with a secret: "+r.Environment.Edge)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.Environment.Issuer+"/.well-known/oauth-authorization-server", nil)
	if err != nil {
		return
	}
	res, err := cmp.Or(r.HTTP, http.DefaultClient).Do(req)
	if err != nil {
		return // the issuer need not be there yet
	}
	defer res.Body.Close()
	io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
	if throughCloudFront(res.Header) {
		r.warn(id, "CloudFront is in front of ISSUER and sends no secret. The broker takes CloudFront's addresses for those of clients, which then share the limit of one address",
			"let CloudFront send a secret, or set EDGE=hidden, see \"A domain of its own, and an edge\" in docs/deploy.md")
	}
}

// throughCloudFront reports whether a response with these headers came through
// CloudFront, which adds X-Amz-Cf-Id and an entry of Via.
func throughCloudFront(h http.Header) bool {
	return h.Get("X-Amz-Cf-Id") != "" || strings.Contains(strings.Join(h.Values("Via"), ","), "(CloudFront)")
}

package lambdahttp

import (
	"net"
	"net/http"
	"strings"

	"github.com/aws/aws-lambda-go/events"
)

// restore makes of the proxy's request what net/http would have made of the one
// that API Gateway received.
func restore(r *http.Request, e *events.APIGatewayV2HTTPRequest) {
	r.Method = e.RequestContext.HTTP.Method // case and all (RFC 9110 §9.1)
	// A server's request has a path and a query, and no host, in its URL.
	r.URL.Scheme, r.URL.Host = "", ""
	if e.RawQueryString != "" {
		r.URL.RawQuery = e.RawQueryString
	}
	r.RequestURI = r.URL.RequestURI()
	r.RemoteAddr = remoteAddr(e.RequestContext.HTTP.SourceIP)

	// The proxy splits Accept, If-None-Match, If-Range, Date, X-Forwarded-For
	// and most others at commas, quoted and dated ones too.
	r.Header = make(http.Header, len(e.Headers)+1)
	for name, value := range e.Headers {
		r.Header.Set(name, value)
	}
	if len(e.Cookies) > 0 {
		r.Header.Set("Cookie", strings.Join(e.Cookies, "; "))
	}
	if r.Host = r.Header.Get("Host"); r.Host == "" {
		r.Host = e.RequestContext.DomainName
	}
	r.Header.Del("Host")
}

// remoteAddr has the form that net/http promises nothing about, but that
// everybody parses: API Gateway does not tell the port.
func remoteAddr(ip string) string {
	if ip == "" {
		return ""
	}
	return net.JoinHostPort(ip, "0")
}

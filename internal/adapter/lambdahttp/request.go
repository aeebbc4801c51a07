package lambdahttp

import (
	"net"
	"net/http"
	"strings"

	"github.com/aws/aws-lambda-go/events"
)

// restore changes the proxy's request into the request that net/http would make
// from the one that API Gateway received.
func restore(r *http.Request, e *events.APIGatewayV2HTTPRequest) {
	r.Method = e.RequestContext.HTTP.Method // RFC 9110 §9.1: a method is case-sensitive
	// A server's request has a path and a query, and no host, in its URL.
	r.URL.Scheme, r.URL.Host = "", ""
	if e.RawQueryString != "" {
		r.URL.RawQuery = e.RawQueryString
	}
	r.RequestURI = r.URL.RequestURI()
	r.RemoteAddr = remoteAddr(e.RequestContext.HTTP.SourceIP)

	// The proxy splits Accept, If-None-Match, If-Range, Date, X-Forwarded-For
	// and most others at commas, also in quoted strings and dates.
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

// remoteAddr returns the host:port form of net/http, which programs parse
// although net/http does not promise it. The port is 0: API Gateway does not
// deliver it.
func remoteAddr(ip string) string {
	if ip == "" {
		return ""
	}
	return net.JoinHostPort(ip, "0")
}

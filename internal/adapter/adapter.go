// Package adapter is shared by adapters: an HTTP client that does not follow
// redirects. Each package below it is for one technology.
package adapter

import "net/http"

// WithoutRedirects returns a copy of c, or of the zero http.Client if c is nil,
// that returns a redirect as the response and does not follow it. A redirect
// could take codes, secrets and tokens to another host.
func WithoutRedirects(c *http.Client) *http.Client {
	client := new(http.Client)
	if c != nil {
		*client = *c
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return client
}

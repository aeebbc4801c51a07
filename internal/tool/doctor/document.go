package doctor

import (
	"context"
	"fmt"
	"net/http"
)

// found is a document, or the reason why there is none.
type found struct {
	answer *answer
	object object
	err    error // of the request, or of the body
	none   bool  // the server answered 4xx
}

// document fetches a document.
func (d *doctor) document(ctx context.Context, address string) found {
	a, err := d.get(ctx, address)
	if err != nil {
		return found{err: err}
	}
	if a.status != http.StatusOK {
		return found{answer: a, err: fmt.Errorf("%d", a.status), none: a.status >= 400 && a.status <= 499}
	}
	o, err := a.decode()
	return found{answer: a, object: o, err: err}
}

// checkType checks Content-Type and redirects of a document.
func (d *doctor) checkType(def *definition, a *answer) {
	f := d.check(def)
	if !a.isType("application/json") {
		f.fail([]string{goSDK}, "Content-Type is %s", quote(a.header.Get("Content-Type")))
	}
	f.addRedirects(a)
	f.end("application/json")
}

// checkReadable checks whether a client in a browser may read a document.
// Clients send MCP-Protocol-Version with their requests, so the browser makes a
// preflight request first.
func (d *doctor) checkReadable(ctx context.Context, def *definition, a *answer) {
	f := d.check(def)
	if !a.allowsOrigin() {
		f.warn([]string{inspector}, "Access-Control-Allow-Origin is missing: a client in a browser cannot read it")
	} else if err := d.preflight(ctx, http.MethodGet, a.address, "mcp-protocol-version"); err != nil {
		f.warn([]string{inspector}, "%s: a client in a browser cannot read it", err)
	}
	f.end("other origins may read it")
}

// addRedirects adds a warning if a document was found behind a redirect.
func (f *finding) addRedirects(a *answer) {
	if len(a.redirects) == 0 {
		return
	}
	last := a.redirects[len(a.redirects)-1]
	if hostOf(last) != hostOf(a.address) {
		f.warn(typeScript, "a redirect leads to another host, %s, which some clients do not follow", quote(last))
		return
	}
	f.warn(nil, "a redirect leads to %s, which not every client follows", quote(last))
}
